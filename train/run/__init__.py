"""The loop of a training run, its checkpoints and its logs."""
