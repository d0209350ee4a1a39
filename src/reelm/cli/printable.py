"""Make text from files and other people safe for a terminal."""

import sys


def printable(text: object) -> str:
    """Return the text on one line, with invisible characters (ESC, newlines, lone surrogates) spelled out."""
    if (said := str(text)).isprintable():
        return said
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in said)


def print_path(path: object) -> None:
    """Print the path of a file that was made: unchanged for a program that reads it, printable for a person."""
    print(printable(path) if sys.stdout.isatty() else path)
