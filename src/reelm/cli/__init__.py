"""The `reelm` command: one file a command."""
