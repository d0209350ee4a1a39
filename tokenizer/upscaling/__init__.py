"""The upscaler: doubles the height and width of frames and adds likely detail."""
