"""Nets whose features scores compare, and spectrograms."""
