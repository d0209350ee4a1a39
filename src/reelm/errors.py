"""The exception for requests that cannot be met as asked."""


class RequestError(ValueError):
    """The request is wrong, not the program. The message is one line: what is wrong, and what would be right."""
