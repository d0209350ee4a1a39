"""Recordings of games, which any engine can write: frames, and the keys that made them."""
