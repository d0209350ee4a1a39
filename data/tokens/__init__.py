"""Token sets: clips as codes, written once and read by training."""
