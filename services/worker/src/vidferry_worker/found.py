"""What a child found at an address, checked: a child is not trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.identity import Identity
from vidferry_common.text import remove_controls

Validators = dict[str, str]


class _Identity(BaseModel):
    model_config = ConfigDict(extra="forbid")

    extractor: str = Field(max_length=200)
    domain: str = Field(max_length=300)
    video_id: str = Field(max_length=4000)
    by_address: bool


class _Event(BaseModel):
    identity: _Identity
    evidence: list[dict[str, str]] | None = Field(max_length=8)
    title: str = Field(max_length=500)
    duration: float | None = Field(ge=0, allow_inf_nan=False)
    source: str = Field(max_length=2000)
    streams: list[dict[str, Any]] = Field(min_length=1, max_length=8)


@dataclass(frozen=True, slots=True)
class Found:
    """One video, as its extraction told."""

    identity: Identity
    evidence: Sequence[Validators] | None
    """of an address without a video id: a stream's validators each; None where the origin sent none"""
    title: str
    duration: float | None
    source: str
    streams: Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, event: Mapping[str, Any]) -> "Found":
        try:
            fields = {name: event.get(name) for name in _Event.model_fields}
            if isinstance(fields["title"], str):  # sites cut titles in the middle of a UTF-16 pair
                fields["title"] = remove_controls(fields["title"].encode(errors="replace").decode()).strip()
            checked = _Event.model_validate(fields)
        except ValidationError as error:
            raise JobFailure(ErrorCode.INTERNAL, "a child's find is ill-formed") from error
        return cls(
            Identity(**checked.identity.model_dump()),
            checked.evidence,
            checked.title,
            checked.duration,
            checked.source,
            checked.streams,
        )

    def is_still(self, metadata: Mapping[str, str]) -> bool:
        """Whether an object with that metadata is this video as the origin has it now."""
        if not self.identity.by_address:
            return True
        known = orjson.loads(metadata.get("origin", "null"))
        return (
            bool(known)
            and self.evidence is not None
            and len(known) == len(self.evidence)
            and all(_same(before, now) for before, now in zip(known, self.evidence, strict=True))
        )

    def metadata(self, download_id: str) -> dict[str, str]:
        """What the object tells of itself, so that the bucket alone describes what is in it."""
        facts = {"title": self.title, "source": self.source, "download": download_id}
        if self.duration is not None:
            facts["duration"] = str(self.duration)
        if self.evidence is not None:
            facts["origin"] = orjson.dumps(self.evidence).decode()
        return facts


def _same(before: Validators, now: Validators) -> bool:
    """The strongest validator that both have decides; the weaker ones must not contradict it (RFC 9110 §8.8)."""
    shared = [name for name in ("etag", "last-modified", "content-length") if name in before and name in now]
    return bool(shared) and all(before[name] == now[name] for name in shared)
