"""One training step: state, optimizer, update."""
