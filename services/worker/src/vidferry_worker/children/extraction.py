"""What a child found at an address, as far as the worker believes it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from vidferry_common.contract.identity import Identity
from vidferry_common.text import remove_controls
from vidferry_worker.children.identity import Known, limit_identity
from vidferry_worker.children.protocol import FoundStream, VideoFound


@dataclass(frozen=True, slots=True)
class Extraction:
    """One video, as its extraction told."""

    identity: Identity
    title: str
    duration: float | None
    source: str
    streams: Sequence[FoundStream]

    @classmethod
    def read(cls, told: VideoFound, known: Known) -> "Extraction":
        # Sites cut titles in the middle of a UTF-16 pair.
        title = remove_controls(told.title.encode(errors="replace").decode()).strip()
        return cls(
            limit_identity(Identity(**asdict(told.identity)), known), title, told.duration, told.source, told.streams
        )
