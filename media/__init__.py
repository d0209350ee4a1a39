"""Clips, frames and sound between arrays and files."""
