"""The exception for requests that cannot be met, the warning for those that may turn out badly, and error messages."""

_LONGEST = 1500  # letters of a message


class RequestError(ValueError):
    """The request is wrong, not the program. The message is one line: what is wrong, and what would be right.

    The message may quote the request, so the middle of a long message is left out.
    """

    def __init__(self, message: str):
        half = _LONGEST // 2
        super().__init__(message if len(message) <= _LONGEST else f"{message[:half]} ... {message[-half:]}")


class RequestWarning(UserWarning):
    """The request is met, but the model was not trained for it. The message is one line."""


def reason(error: BaseException) -> str:
    """Return the message of an exception, in one line of at most 300 characters; its type if it has none."""
    return " ".join(str(error).split())[:300] or type(error).__name__
