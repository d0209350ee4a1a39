"""Tokenizers that others trained, from their published files to model folders."""
