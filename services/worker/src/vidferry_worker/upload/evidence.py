"""Whether a URL's origin still has the content that an object was made from, by comparing HTTP validators."""

from collections.abc import Mapping

import orjson

from vidferry_worker.children.event_members import InvalidEventError
from vidferry_worker.children.event_parser import parse_evidence
from vidferry_worker.children.protocol import Evidence

METADATA = "origin"
"""the key of the evidence in an object's metadata"""
MAX_METADATA = 2048
"""bytes; longer evidence is left out, so that an object's metadata stays within its limits"""
VALIDATORS = frozenset({"etag", "last-modified"})
"""The validators of HTTP; a length is none (RFC 9110 §8.8)."""
DIGESTS = frozenset({"list", "segments"})
"""what a stream of segments has instead of validators"""

StreamEvidence = Mapping[str, str]
"""of one stream: its `url`, and validators or digests"""


def to_metadata(evidence: Evidence) -> dict[str, str]:
    """The evidence as metadata of an object."""
    text = orjson.dumps(evidence).decode()
    return {METADATA: text} if evidence and len(text.encode()) <= MAX_METADATA else {}


def from_metadata(metadata: Mapping[str, str]) -> Evidence:
    """The evidence in an object's metadata; None where there is none, or it can't be read."""
    try:
        return parse_evidence(orjson.loads(metadata.get(METADATA, "null")))
    except (orjson.JSONDecodeError, InvalidEventError):
        return None


def is_same(before: Evidence, now: Evidence) -> bool:
    """Whether the evidence shows that every stream is unchanged."""
    if not before or not now or len(before) != len(now):
        return False
    return all(map(_is_same_stream, before, now))


def _is_same_stream(before: StreamEvidence, now: StreamEvidence) -> bool:
    """The same URL with the same digests, or with equal validators, of which at least one was sent both times."""
    if not before.get("url") or before["url"] != now.get("url"):
        return False
    if DIGESTS & (before.keys() | now.keys()):
        return before.keys() >= DIGESTS and before == now
    shared = before.keys() & now.keys()
    return bool(shared & VALIDATORS) and all(before[name] == now[name] for name in shared)
