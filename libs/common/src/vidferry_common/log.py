"""Logs: one JSON object a line in a cluster, readable lines on a terminal. docs/logs.md lists the events.

A message is a constant, the event's name; what differs stands in fields. Queries and secrets in URLs are removed and
control characters are escaped, so that no text of a site's begins a line of its own.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

import orjson
from pydantic import Field

from vidferry_common.settings import Settings
from vidferry_common.text import escape_controls

logger = logging.getLogger(__name__)

_SECRET = re.compile(
    r"(?i)([?&](?:x-goog-)?(?:signature|credential|ticket|token|key)=)[^&\s\"']+"
    r"|(://[^/\s:@\"']*:)[^/\s@\"']+(?=@)"
    r"|((?<![0-9])[1-9][0-9]{8,11}\.(?:[A-Za-z0-9._@%-]{1,192}\.)?)[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"
    r"|(whsec_)[A-Za-z0-9+/=]{8,}"
)
"""The last two are a ticket and a webhook's secret wherever they stand, as in a message that subscribes to jobs."""
_URL = re.compile(r"://[^\s\"'<>\\]+")
_QUERY = re.compile(r"(?<=[?#]).+")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class LogSettings(Settings):
    """What is logged, and how."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info",
        description="The least severe level that is logged. `debug` also logs the path of each message (published, "
        "subscribed, forwarded), with its job id.",
    )
    log_format: Literal["json", "text"] = Field(
        "json", description="`json`: one JSON object per line. `text`: readable lines for a terminal."
    )


_fields: ContextVar[dict[str, Any] | None] = ContextVar("log_fields", default=None)


@contextmanager
def log_fields(**fields: Any) -> Iterator[None]:
    """Adds fields to all that is logged within, also by tasks that are started there.

    A task that outlives it must be started in a context of its own.
    """
    token = _fields.set({**(_fields.get() or {}), **fields})
    try:
        yield
    finally:
        _fields.reset(token)


def add_log_fields(**fields: Any) -> None:
    """Adds fields to the innermost log_fields(), which learns them late. Does nothing outside of one."""
    known = _fields.get()
    if known is not None:
        known.update(fields)


def redact_secrets(text: str) -> str:
    """The text without signatures, tokens and passwords, and without the queries of its URLs."""
    text = _SECRET.sub(lambda found: f"{found[1] or found[2] or found[3] or found[4]}…", text)
    return _URL.sub(lambda found: _QUERY.sub("…", found[0], count=1), text)


def _extra_fields(record: logging.LogRecord) -> dict[str, Any]:
    own = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    return {**(_fields.get() or {}), **own}


class _Json(logging.Formatter):
    """One JSON object for each entry."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
            **_extra_fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return redact_secrets(escape_controls(_dump_json(entry)))


def _dump_json(entry: dict[str, Any]) -> str:
    """The entry as JSON. Values that JSON can't hold, such as a child may tell, become text."""
    try:
        return orjson.dumps(entry, default=str).decode()
    except TypeError:
        return json.dumps({key: str(value) for key, value in entry.items()})


class _Text(logging.Formatter):
    """A line for each entry, and indented lines for a traceback."""

    def __init__(self, service: str) -> None:
        super().__init__(datefmt="%H:%M:%S")
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        extras = {key: value for key, value in _extra_fields(record).items() if key != "service"}
        head = f"{self.formatTime(record, self.datefmt)} {record.levelname:<7} {self._service:<7} {record.getMessage()}"
        line = escape_controls(head + "".join(f" {key}={value}" for key, value in extras.items()))
        return redact_secrets("\n".join([line, *self._format_traceback(record)]))

    def _format_traceback(self, record: logging.LogRecord) -> list[str]:
        """The traceback's lines, indented, so that none looks like another entry."""
        lines = self.formatException(record.exc_info).splitlines() if record.exc_info else []
        return [f"    {escape_controls(line)}" for line in lines]


def make_formatter(form: Literal["json", "text"], service: str) -> logging.Formatter:
    """The formatter of a service's log entries."""
    return _Json(service) if form == "json" else _Text(service)


def set_up(settings: LogSettings, service: str) -> None:
    """Sends every log of this process to stderr, in the chosen form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(make_formatter(settings.log_format, service))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    level = settings.log_level.upper()
    for name in (
        "vidferry_common",
        "vidferry_api",
        "vidferry_worker",
        "vidferry_gateway",
        "vidferry_local",
        "vidferry",
    ):
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda ended: _log_uncaught(ended.exc_type, ended.exc_value, ended.exc_traceback)


def _log_uncaught(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None) -> None:
    """Logs what would end the program, or one of its threads, with a traceback of many lines."""
    if error is None or not issubclass(kind, Exception):
        return
    logger.critical("an error was not handled", exc_info=(kind, error, traceback))
