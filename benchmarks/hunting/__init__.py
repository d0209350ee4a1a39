"""The parts of `hunt.py`: a place to hunt in, what counts as a fault, and the hunters."""
