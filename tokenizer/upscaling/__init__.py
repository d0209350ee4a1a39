"""The upscaler: frames twice as high and twice as wide, with the detail that a small picture hints at."""
