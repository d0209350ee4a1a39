"""Words, pictures and clips to new clips: decoding, and the files that clips come from and go to."""
