"""What an object will be, before its file is here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from vidferry_common.bucket import Upload
from vidferry_common.contract.formats import Quality
from vidferry_common.store import Claim
from vidferry_worker import evidence, media
from vidferry_worker.found import Found


@dataclass(frozen=True, slots=True)
class Draft:
    """Of one attempt."""

    name: str
    found: Found
    claim: Claim
    if_generation: int
    """the generation to replace, NEW where there is none"""

    def of(self, source: BinaryIO, told: Mapping[str, Any]) -> Upload:
        """The object of a file, by its first bytes and what its child told: `file`, `duration`, `video` and `evidence`.

        JobFailure where it is no media that we know.
        """
        duration = told.get("duration")
        has_video = self.claim.format.quality is not Quality.AUDIO and bool(told.get("video"))
        kind = media.kind_of(media.head(source), str(told.get("file")), has_video=has_video)
        known = replace(self.found, duration=duration if isinstance(duration, float) else self.found.duration)
        return Upload(
            self.name,
            kind.media_type,
            filename=media.file_name(self.found.title, kind.extension),
            metadata=known.metadata(self.claim.download_id, evidence.read(told)),
            if_generation=self.if_generation,
        )
