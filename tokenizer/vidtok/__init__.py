"""The nets of the published tokenizers VidTok, and their sizes."""
