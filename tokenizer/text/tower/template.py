"""The text around a prompt, as a language model reads it.

In: a template with its place for the prompt, and a vocabulary. Out: ids.
"""

from .vocabulary import Vocabulary

PROMPT = "{}"  # in a template


class Template:
    """A template as ids.

    head: ids in front of every prompt, the begin of a text among them.
    """

    def __init__(self, text: str, pieces: Vocabulary):
        head, tail = text.split(PROMPT)
        # A space in front of a word is part of its piece.
        self._gap = head[len(head.rstrip(" ")) :]
        self.head = [*pieces.begin, *pieces.encode(head.rstrip(" "), template=True)]
        self._pieces, self._tail = pieces, pieces.encode(tail, template=True)

    def behind(self, prompt: str) -> list[int]:
        """Return the ids of a prompt and of the template behind it."""
        return [*self._pieces.encode(self._gap + prompt), *self._tail]
