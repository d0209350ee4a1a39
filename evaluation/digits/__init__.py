"""Clips of digits, scored for what was asked of them."""
