"""Training of the video and audio tokenizers."""
