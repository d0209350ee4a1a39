"""Scores of pictures and sound, and common codecs as baselines."""
