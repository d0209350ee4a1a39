"""What a clip must show besides its prompt: pictures, clips, masks, sound."""
