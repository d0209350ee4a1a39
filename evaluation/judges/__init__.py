"""Classifiers and measures of the content of clips."""
