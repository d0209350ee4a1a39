"""The one exception for requests that cannot be met as asked."""


class RequestError(ValueError):
    """The request is at fault, not the program; the message is one line: what is wrong, what would be right."""
