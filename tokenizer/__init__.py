"""Video, sound and words to discrete codes, and back."""
