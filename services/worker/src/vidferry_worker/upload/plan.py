"""What an object will be, before its file is here."""

from dataclasses import dataclass, replace
from typing import BinaryIO

from vidferry_common.bucket import Upload
from vidferry_common.contract.formats import Quality
from vidferry_common.store import Claim
from vidferry_worker.children.extraction import Extraction
from vidferry_worker.children.protocol import Evidence, FileDescription
from vidferry_worker.upload import evidence, file_types


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """The object that one attempt will make."""

    name: str
    extraction: Extraction
    claim: Claim
    if_generation: int
    """the generation to replace, NEW where there is none"""

    def describe_upload(self, source: BinaryIO, told: FileDescription, origin: Evidence) -> Upload:
        """The object of a file, by what its child told of it and of its origin.

        JobFailure where it is no media that we know.
        """
        with_video = self.claim.format.quality is not Quality.AUDIO
        kind = file_types.kind_of(told, file_types.read_head(source), with_video=with_video)
        known = self.extraction if told.duration is None else replace(self.extraction, duration=told.duration)
        return Upload(
            self.name,
            kind.media_type,
            filename=file_types.file_name(self.extraction.title, kind.extension),
            metadata=_metadata(known, self.claim.download_id) | evidence.to_metadata(origin),
            if_generation=self.if_generation,
        )


def _metadata(extraction: Extraction, download_id: str) -> dict[str, str]:
    """What the object tells of itself, so that the bucket alone describes what is in it."""
    facts = {"title": extraction.title, "source": extraction.source, "download": download_id}
    if extraction.duration is not None:
        facts["duration"] = str(extraction.duration)
    return facts
