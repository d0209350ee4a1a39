"""Nets whose features are compared in scores, and spectrograms."""
