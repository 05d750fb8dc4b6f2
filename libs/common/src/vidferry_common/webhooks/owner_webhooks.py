"""The part of the keys file that is about webhooks, which api and workers read:

    [owners.team-a.webhook]
    url = "https://hooks.example.org/vidferry"     # optional: for jobs that name none
    events = ["job.completed", "job.failed"]       # optional: all
    secrets = ["whsec_…"]                          # two while they are rotated: events are signed with both

No error tells anything that stands in the file.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from vidferry_common.contract.webhooks import MAX_SECRETS, EventType, check_secret, parse_events
from vidferry_common.settings import parse_http_url

MAX_BYTES = 1024 * 1024
"""of a keys file"""
MAX_URL = 2048
_FIELDS = frozenset({"url", "events", "secrets"})


@dataclass(frozen=True, slots=True)
class OwnerWebhook:
    """What an owner's webhooks are signed with, and where those go that name no URL."""

    secrets: tuple[SecretStr, ...]
    url: str = ""
    """empty: only jobs that name a URL have a webhook"""
    events: tuple[EventType, ...] = tuple(EventType)


def parse_owner_webhook(table: object) -> OwnerWebhook:
    """The webhook table of one owner. Raises ValueError with a sentence that names the field."""
    if not isinstance(table, dict) or not table.keys() <= _FIELDS:
        raise ValueError(f"webhook must be a table with these fields: {', '.join(sorted(_FIELDS))}")
    secrets = table.get("secrets")
    if not (isinstance(secrets, list) and 0 < len(secrets) <= MAX_SECRETS):
        raise ValueError(f"webhook: secrets must be a list of one or {MAX_SECRETS} secrets")
    events = table.get("events", list(EventType))
    if not (isinstance(events, list) and all(isinstance(each, str) for each in events)):
        raise ValueError("webhook: events must be a list of names")
    return OwnerWebhook(
        tuple(SecretStr(_named("secrets", check_secret, each)) for each in secrets),
        _named("url", _check_url, table.get("url", "")),
        _named("events", parse_events, events),
    )


def read_owner_webhooks(content: bytes) -> Mapping[str, OwnerWebhook]:
    """Those of a whole keys file, by owner; the api checks the rest of it. Raises ValueError."""
    if len(content) > MAX_BYTES:
        raise ValueError(f"the file has more than {MAX_BYTES} bytes")
    try:
        owners = tomllib.loads(content.decode()).get("owners", {})
        tables = {owner: table["webhook"] for owner, table in owners.items() if "webhook" in table}
    except (ValueError, RecursionError, AttributeError, TypeError):  # the error may repeat what stands there
        raise ValueError("the file is not valid TOML, or its owners are not tables") from None
    return {owner: parse_owner_webhook(table) for owner, table in tables.items()}


def _check_url(value: object) -> str:
    if value == "":
        return ""
    if not isinstance(value, str) or len(value) > MAX_URL or not value.isascii() or not value.isprintable():
        raise ValueError(f"must be a URL of at most {MAX_URL} ASCII characters")
    parse_http_url(value)
    return value


def _named(field: str, check: Any, value: object) -> Any:
    try:
        return check(value)
    except ValueError as error:
        raise ValueError(f"webhook: {field} {error}") from None
