"""Readers of text: SentencePiece pieces and frozen text encoders."""
