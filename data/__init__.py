"""Data sets, and their clips as tokens: all that training reads."""
