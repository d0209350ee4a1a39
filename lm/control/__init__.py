"""The control field: inputs that steer the pictures, besides words."""
