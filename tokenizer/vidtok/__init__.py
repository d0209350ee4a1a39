"""The nets of VidTok, which others trained, and their sizes."""
