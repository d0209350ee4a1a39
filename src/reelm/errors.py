"""The exception for requests that cannot be met, the warning of those that may turn out badly, and what others say."""


class RequestError(ValueError):
    """The request is wrong, not the program. The message is one line: what is wrong, and what would be right."""


class RequestWarning(UserWarning):
    """The request is met, but the model was not trained for it. The message is one line."""


def reason(error: BaseException) -> str:
    """Return what an exception says, in one line of at most 300 characters; its type where it says nothing."""
    return " ".join(str(error).split())[:300] or type(error).__name__
