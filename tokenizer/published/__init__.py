"""Nets of video tokenizers that others trained, and their sizes."""
