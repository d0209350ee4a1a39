"""Data sets, and their clips as tokens: everything that training reads."""
