"""`python -m reelm` is the `reelm` command."""

from reelm.cli.main import entry_point

if __name__ == "__main__":
    entry_point()
