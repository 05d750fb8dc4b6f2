"""Whether an object of an address is still what its origin has: what was told with its bytes, and what is told now."""

from collections.abc import Mapping

import orjson

from vidferry_worker.children.event_parser import InvalidEventError, parse_evidence
from vidferry_worker.children.protocol import Evidence

METADATA = "origin"
"""the key of it in an object's metadata"""
MOST_METADATA = 2048
"""bytes of it; what is longer is left out, so that an object's metadata stays within its bounds"""
VALIDATORS = frozenset({"etag", "last-modified"})
"""A length is none (RFC 9110 §8.8)."""
LISTED = frozenset({"list", "segments"})
"""Digests that a stream of segments has instead."""

Stream = Mapping[str, str]
"""What is known of one stream: `url`, and validators or digests"""


def to_metadata(evidence: Evidence) -> dict[str, str]:
    """As an object's metadata."""
    written = orjson.dumps(evidence).decode()
    return {METADATA: written} if evidence and len(written.encode()) <= MOST_METADATA else {}


def from_metadata(metadata: Mapping[str, str]) -> Evidence:
    """What an object's metadata says; None where it says nothing, or what can't be read."""
    try:
        return parse_evidence(orjson.loads(metadata.get(METADATA, "null")))
    except (orjson.JSONDecodeError, InvalidEventError):
        return None


def is_same(before: Evidence, now: Evidence) -> bool:
    """Whether the origin says so, of each stream."""
    if not before or not now or len(before) != len(now):
        return False
    return all(map(_is_same, before, now))


def _is_same(before: Stream, now: Stream) -> bool:
    """The same address, the same list, and of the validators that both times came no other."""
    if not before.get("url") or before["url"] != now.get("url"):
        return False
    if LISTED & (before.keys() | now.keys()):
        return before.keys() >= LISTED and before == now
    shared = before.keys() & now.keys()
    return bool(shared & VALIDATORS) and all(before[name] == now[name] for name in shared)
