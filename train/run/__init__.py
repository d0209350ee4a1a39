"""The loop of a training run, and everything it keeps."""
