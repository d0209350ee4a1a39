"""What a clip must show besides its words: pictures, clips, masks, sound."""
