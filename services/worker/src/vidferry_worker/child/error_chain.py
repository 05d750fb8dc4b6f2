"""An error with all that led to it, and what of that is a timeout."""

from collections.abc import Iterator
from typing import Any

from vidferry_worker.child.channel import ConnectTimedOut


def error_chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and its causes, as Python, yt-dlp and requests record them; the root cause first."""
    seen: list[BaseException] = []
    todo: list[Any] = [error]
    while todo:
        each = todo.pop()
        if not isinstance(each, BaseException) or any(each is known for known in seen):
            continue
        seen.append(each)
        todo += [
            each.__cause__,
            each.__context__,
            getattr(each, "cause", None),
            (getattr(each, "exc_info", None) or (None, None))[1],
        ]
        todo += [*getattr(each, "unexpected_errors", ()), *each.args]
    return reversed(seen)


def is_timeout(error: BaseException) -> bool:
    """Whether the error is a timeout."""
    return any(isinstance(each, TimeoutError) for each in error_chain(error))


def is_silence(error: BaseException) -> bool:
    """Whether a site sent nothing in time on a connection that was there."""
    return is_timeout(error) and not any(isinstance(each, ConnectTimedOut) for each in error_chain(error))
