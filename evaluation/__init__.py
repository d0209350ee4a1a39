"""Scores and judges of generated and rebuilt clips."""
