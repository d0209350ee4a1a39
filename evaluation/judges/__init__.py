"""Classifiers and measures that say what a clip shows."""
