"""Text of files and of other people, as it may go to a terminal."""

import sys


def printable(text: object) -> str:
    """Return the text on one line, with what is no visible letter (ESC, newlines, lone surrogates) spelled out."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in str(text))


def print_path(path: object) -> None:
    """Print the path of what was made: as it is for a program that reads it, printable for a person."""
    print(printable(path) if sys.stdout.isatty() else path)
