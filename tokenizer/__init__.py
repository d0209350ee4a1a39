"""Tokenizers of video and sound, and encoders of text."""
