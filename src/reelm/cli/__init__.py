"""The `reelm` command: arguments in, a command run, an exit status out."""
