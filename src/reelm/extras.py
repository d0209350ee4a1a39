"""How to install an extra of `pyproject.toml`: in a clone by `make`, which keeps a uv of its own, elsewhere by pip."""


def how_to_install(extra: str) -> str:
    """Return the commands that install an extra, as the end of an error message."""
    return f"`make env EXTRAS={extra}` in a clone of reelm, or `pip install 'reelm[{extra}]'`"
