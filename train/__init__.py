"""Data, training loops and evaluation: everything that makes the weights, nothing that generating needs."""
