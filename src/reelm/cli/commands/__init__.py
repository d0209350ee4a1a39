"""One file a command: a dataclass of its arguments that can be run."""
