"""Codes drawn one latent frame at a time, in windows without end."""
