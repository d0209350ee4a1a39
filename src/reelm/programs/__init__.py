"""Programs for the device: compiled ahead of time, side by side, and found again on disk by the next process."""
