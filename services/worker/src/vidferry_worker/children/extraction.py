"""What a child found at an address, checked: a child is not trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.identity import Identity
from vidferry_common.text import remove_controls
from vidferry_worker.children.identity import Known, bound


class _Identity(BaseModel):
    model_config = ConfigDict(extra="forbid")

    extractor: str = Field(max_length=200)
    domain: str = Field(max_length=300)
    video_id: str = Field(max_length=4000)
    by_address: bool
    page: str = Field("", max_length=4000)


class _Event(BaseModel):
    identity: _Identity
    title: str = Field(max_length=500)
    duration: float | None = Field(ge=0, allow_inf_nan=False)
    source: str = Field(max_length=2000)
    streams: list[dict[str, Any]] = Field(min_length=1, max_length=8)


@dataclass(frozen=True, slots=True)
class Extraction:
    """One video, as its extraction told."""

    identity: Identity
    title: str
    duration: float | None
    source: str
    streams: Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, event: Mapping[str, Any], known: Known) -> "Extraction":
        try:
            fields = {name: event.get(name) for name in _Event.model_fields}
            if isinstance(fields["title"], str):  # sites cut titles in the middle of a UTF-16 pair
                fields["title"] = remove_controls(fields["title"].encode(errors="replace").decode()).strip()
            checked = _Event.model_validate(fields)
        except ValidationError as error:
            raise JobFailure(ErrorCode.INTERNAL, "a child's find is ill-formed") from error
        return cls(
            bound(Identity(**checked.identity.model_dump()), known),
            checked.title,
            checked.duration,
            checked.source,
            checked.streams,
        )
