"""Scores of pictures and sound, and the codec that sound is measured beside."""
