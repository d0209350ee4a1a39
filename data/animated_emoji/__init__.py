"""Animated emoji, from packages that the user fetches."""
