"""The control field: what is asked of the pictures besides words."""
