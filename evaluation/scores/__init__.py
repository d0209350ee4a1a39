"""Scores of pictures and sound."""
