"""Scores of pictures and sound, and the codecs of today that they are compared with."""
