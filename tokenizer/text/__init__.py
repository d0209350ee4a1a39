"""What reads words: SentencePiece pieces and frozen text encoders."""
