"""Nets whose features scores compare."""
