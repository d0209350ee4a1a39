"""File formats, one module each: containers, stills, animations, sound, token files."""
