"""Recordings of games: frames, and the keys that made them. One set is played here (Crafter), others are imported."""
