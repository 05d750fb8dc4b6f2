"""The contents of the keys file: which API key is whose, what it may do, and within which limits.

    [[keys]]
    name = "ci"
    owner = "team-a"
    sha256 = "…"                     # 64 hexadecimal characters: the SHA-256 of the key
    scopes = ["jobs:write", "jobs:read", "objects:read"]
    expires = 2027-01-31T00:00:00Z   # optional
    [keys.limits]                    # optional: fields of OwnerLimits
    requests_per_minute = 60

    [owners.team-a.limits]           # optional: for all keys, tokens and users of that owner
    jobs_running = 4

    [owners.team-a.webhook]          # optional: vidferry_common/webhooks/owner_webhooks.py
    secrets = ["whsec_…"]

    [owners.team-a]                  # optional: whose cookies the owner's jobs may be done with
    credentials = ["alice"]

No error tells anything that stands in the file: what is wrong may be a secret in the wrong place.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from math import inf
from typing import Any

from vidferry_api.access.principal import NO_LIMITS, OwnerLimits, Principal, principal_of, tighter_limits
from vidferry_common.contract.credentials import is_credential
from vidferry_common.contract.formats import Quality
from vidferry_common.contract.scopes import OWNER, Scope, parse_scopes
from vidferry_common.webhooks.owner_webhooks import MAX_BYTES, OwnerWebhook, parse_owner_webhook

MAX_KEYS = 10_000
MAX_CREDENTIALS = 100
"""of one owner"""
_MAX_LIMIT = 2**53
"""the largest whole number that Redis' scripts keep exactly"""
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_TOML_LINE = re.compile(r"\(at line (\d+), ")
_KEY_FIELDS = frozenset({"name", "owner", "sha256", "scopes", "expires", "limits"})
_LIMIT_TYPES = {each.name: type(each.default) for each in fields(OwnerLimits)}
_NAME = "must be 1 to 64 letters, digits, dots, hyphens, underscores or @"


class KeysFileWrong(Exception):
    """The keys file can't be used. The text says which line is wrong and what is right."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as the file declares it."""

    digest: bytes
    expires: float
    """seconds since 1970; infinite if it does not expire"""
    principal: Principal


@dataclass(frozen=True, slots=True)
class KeyTable:
    """All that a keys file declares."""

    keys: Mapping[bytes, ApiKey] = field(default_factory=dict)
    """by the SHA-256 of the key"""
    limits: Mapping[str, OwnerLimits] = field(default_factory=dict)
    """by owner"""
    webhooks: Mapping[str, OwnerWebhook] = field(default_factory=dict)
    """by owner"""
    credentials: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """that an owner may use, by owner"""

    def limits_of(self, owner: str) -> OwnerLimits:
        return self.limits.get(owner, NO_LIMITS)


def parse_keys(content: bytes) -> KeyTable:
    """The keys and limits of a file. Raises KeysFileWrong."""
    if len(content) > MAX_BYTES:
        raise KeysFileWrong(f"the file has more than {MAX_BYTES} bytes")
    text = _decode(content)
    document = _parse_toml(text)
    _check_fields(document, {"keys", "owners"}, "the file")
    entries = document.get("keys", [])
    if not isinstance(entries, list):
        raise KeysFileWrong("each key must be a table that begins with [[keys]]")
    if len(entries) > MAX_KEYS:
        raise KeysFileWrong(f"the file has more than {MAX_KEYS} keys")
    limits, webhooks, credentials = _parse_owners(document.get("owners", {}), text)
    keys: dict[bytes, ApiKey] = {}
    names: set[str] = set()
    for place, entry in zip(_key_places(text, len(entries)), entries, strict=True):
        key = _parse_key(entry, limits, place)
        if key.digest in keys or key.principal.name in names:
            raise KeysFileWrong(f"{place}: another key has the same name or the same sha256")
        keys[key.digest] = key
        names.add(key.principal.name)
    return KeyTable(keys, limits, webhooks, credentials)


def _decode(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise KeysFileWrong(f"line {line}: the file must be UTF-8") from None


def _parse_toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        found = _TOML_LINE.search(str(error))
        place = f"line {found[1]}" if found else "the file"
        # The error may repeat what stands there.
        raise KeysFileWrong(f"{place}: this is not valid TOML, or declares something twice") from None


def _parse_key(entry: object, limits: Mapping[str, OwnerLimits], place: str) -> ApiKey:
    table = _check_fields(entry, _KEY_FIELDS, place)
    name, owner = (_parse_name(table.get(each), f"{place}: {each}") for each in ("name", "owner"))
    digest = table.get("sha256")
    if not (isinstance(digest, str) and _SHA256.fullmatch(digest)):
        raise KeysFileWrong(f"{place}: sha256 must be the SHA-256 of the key, as 64 hexadecimal characters")
    scopes = _parse_scopes(table.get("scopes"), place)
    own_limits = _parse_limits(table.get("limits", {}), place)
    principal = principal_of(owner, name, scopes, tighter_limits(own_limits, limits.get(owner, NO_LIMITS)))
    return ApiKey(bytes.fromhex(digest), _parse_expiry(table.get("expires"), place), principal)


def _parse_name(value: object, place: str) -> str:
    if not (isinstance(value, str) and OWNER.fullmatch(value)):
        raise KeysFileWrong(f"{place} {_NAME}")
    return value


def _parse_scopes(value: object, place: str) -> frozenset[Scope]:
    wrong = KeysFileWrong(f"{place}: scopes must be a list of these: {', '.join(Scope)}")
    if not (isinstance(value, list) and value and all(isinstance(each, str) for each in value)):
        raise wrong
    try:
        return frozenset(parse_scopes(value))
    except ValueError:
        raise wrong from None


def _parse_expiry(value: object, place: str) -> float:
    if value is None:
        return inf
    if not (isinstance(value, datetime) and value.tzinfo):
        raise KeysFileWrong(f"{place}: expires must be a date and time with a zone, such as 2027-01-31T00:00:00Z")
    return value.timestamp()


def _parse_owners(
    value: object, text: str
) -> tuple[dict[str, OwnerLimits], dict[str, OwnerWebhook], dict[str, frozenset[str]]]:
    """The limits, the webhooks and the credentials of owners."""
    if not isinstance(value, dict):
        raise KeysFileWrong("owners must be tables such as [owners.team-a.limits]")
    limits, webhooks, credentials = {}, {}, {}
    for name, entry in value.items():
        place = _owner_place(text, name)
        table = _check_fields(entry, {"limits", "webhook", "credentials"}, place)
        owner = _parse_name(name, f"{place}: the owner's name")
        limits[owner] = _parse_limits(table.get("limits", {}), place)
        if "webhook" in table:
            webhooks[owner] = _parse_webhook(table["webhook"], place)
        credentials[owner] = _parse_credentials(table.get("credentials", []), place)
    return limits, webhooks, credentials


def _parse_credentials(value: object, place: str) -> frozenset[str]:
    if not (isinstance(value, list) and len(value) <= MAX_CREDENTIALS and all(map(is_credential, value))):
        raise KeysFileWrong(
            f"{place}: credentials must be a list of at most {MAX_CREDENTIALS} names, each of 1 to 32 lower-case "
            "letters, digits and hyphens"
        )
    return frozenset(value)


def _parse_webhook(value: object, place: str) -> OwnerWebhook:
    try:
        return parse_owner_webhook(value)
    except ValueError as error:
        raise KeysFileWrong(f"{place}: {error}") from None


def _parse_limits(value: object, place: str) -> OwnerLimits:
    table = _check_fields(value, _LIMIT_TYPES.keys(), f"{place}, in limits")
    for name, limit in table.items():
        if _LIMIT_TYPES[name] is str:
            if limit not in list(Quality):
                raise KeysFileWrong(f"{place}: {name} must be one of {', '.join(Quality)}")
        elif type(limit) is not int or not 0 <= limit <= _MAX_LIMIT:
            raise KeysFileWrong(f"{place}: {name} must be a whole number; 0 means no limit")
    return OwnerLimits(**table)


def _check_fields(value: object, known: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise KeysFileWrong(f"{place}: this must be a table with these fields: {', '.join(sorted(known))}")
    if not known >= value.keys():
        raise KeysFileWrong(f"{place}: there is an unknown field. The fields are {', '.join(sorted(known))}")
    return value


def _key_places(text: str, count: int) -> list[str]:
    """Where each key stands. TOML's parser doesn't tell, so the headers are looked for."""
    lines = [number for number, line in enumerate(text.split("\n"), 1) if re.match(r"\s*\[\[\s*keys\s*\]\]", line)]
    if len(lines) == count:
        return [f"line {line} (key {number})" for number, line in enumerate(lines, 1)]
    return [f"key {number}" for number in range(1, count + 1)]


def _owner_place(text: str, name: str) -> str:
    header = re.compile(rf"\s*\[\s*owners\s*\.\s*[\"']?{re.escape(name)}\b")
    found = next((number for number, line in enumerate(text.split("\n"), 1) if header.match(line)), None)
    return f"line {found}" if found else "owners"
