"""Programs for the device: compiled ahead of time and in parallel, with an executable cache on disk."""
