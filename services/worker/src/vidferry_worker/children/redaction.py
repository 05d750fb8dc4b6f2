"""Hides the values of a child's cookies in what the child tells: a site may repeat them in a title or an error.

It is for honest children. One that a site has taken over can write them in other ways; but it has its own site's only.
"""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from vidferry_worker.children.protocol import EVENT_NAMES, SHORTEST_SECRET, ConnectRequest, Cookie
from vidferry_worker.children.wire import Message, WireError

HIDDEN = "[cookie]"


class Redaction:
    """The values that are hidden in a child's messages. Those that stand in the job's own URL are no secrets."""

    def __init__(self, cookies: Iterable[Cookie], url: str) -> None:
        """url: the job's."""
        secrets = {each.value for each in cookies if len(each.value) >= SHORTEST_SECRET and each.value not in url}
        values = secrets | {quote(value, safe="") for value in secrets}
        longest_first = sorted(values, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if values else None

    def hide_values(self, message: Message) -> Message:
        """The message without them. Raises WireError if it is nested too deeply.

        The names of its members, and requests for connections, stay as they are: a value may be a host's name.
        """
        if self._pattern is None or message.get("event") == EVENT_NAMES[ConnectRequest]:
            return message
        try:
            return {name: value if name == "event" else self._hide(value) for name, value in message.items()}
        except RecursionError as error:
            raise WireError("a message is nested too deeply") from error

    def _hide(self, value: Any) -> Any:
        assert self._pattern is not None
        if isinstance(value, str):
            return self._pattern.sub(HIDDEN, value)
        if isinstance(value, list):
            return [self._hide(each) for each in value]
        if isinstance(value, dict):
            return {name: self._hide(each) for name, each in value.items()}
        return value
