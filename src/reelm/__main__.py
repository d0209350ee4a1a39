"""`python -m reelm` is the `reelm` command."""

from reelm.cli import entry_point

if __name__ == "__main__":
    entry_point()
