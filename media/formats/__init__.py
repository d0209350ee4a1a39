"""One file a format: containers, stills, animations, sound, token files."""
