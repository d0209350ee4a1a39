"""VidTok, from its published files to model folders."""
