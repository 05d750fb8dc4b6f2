"""An error with all that led to it, and what of that is a timeout."""

from collections.abc import Iterator
from typing import Any

from vidferry_worker.child.channel import ConnectTimedOut


def error_chain(error: BaseException | None, outer: BaseException | None = None) -> Iterator[BaseException]:
    """The error and its causes, as Python, yt-dlp and requests record them; the root cause first.

    outer: the error that was being handled already (sys.exception()), which Python records as well, and which is none.
    """
    seen: list[BaseException] = []
    todo: list[Any] = [error]
    while todo:
        each = todo.pop()
        if not isinstance(each, BaseException) or each is outer or any(each is known for known in seen):
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


def is_timeout(error: BaseException, outer: BaseException | None = None) -> bool:
    """Whether the error is a timeout. outer: as of error_chain()."""
    return any(isinstance(each, TimeoutError) for each in error_chain(error, outer))


def is_silence(error: BaseException, outer: BaseException | None = None) -> bool:
    """Whether a site sent nothing in time on a connection that was there. outer: as of error_chain()."""
    chain = list(error_chain(error, outer))
    return any(isinstance(each, TimeoutError) for each in chain) and not any(
        isinstance(each, ConnectTimedOut) for each in chain
    )
