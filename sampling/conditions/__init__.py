"""The conditions of a clip besides its prompt: pictures, clips, masks, sound, steering, storyboards."""
