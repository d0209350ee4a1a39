"""Tiny checkpoints of tokenizers that others trained, and what their own code makes of a fixed clip."""
