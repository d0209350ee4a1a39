"""Data sets built from folders of films."""
