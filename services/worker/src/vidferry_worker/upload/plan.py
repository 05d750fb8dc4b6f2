"""The object that an attempt will make, known before its file is complete."""

from dataclasses import dataclass
from typing import BinaryIO

from vidferry_common.bucket import Upload
from vidferry_common.contract.formats import Quality
from vidferry_common.objects.entry import SITE
from vidferry_common.store import Claim
from vidferry_worker.children.extraction import Extraction
from vidferry_worker.children.protocol import Evidence, FileDescription
from vidferry_worker.upload import evidence, file_types


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """The name of the object that an attempt will make, and what goes into its metadata."""

    name: str
    extraction: Extraction
    claim: Claim
    if_version: str
    """the version to replace, NEW where there is none"""

    def describe_upload(self, source: BinaryIO, description: FileDescription, origin: Evidence) -> Upload:
        """The upload of a file, from the child's description of it and of its origin.

        JobFailure where it is no known media file.
        """
        with_video = self.claim.format.quality is not Quality.AUDIO
        file_type = file_types.detect_file_type(description, file_types.read_head(source), with_video=with_video)
        duration = self.extraction.duration if description.duration is None else description.duration
        return Upload(
            self.name,
            file_type.media_type,
            filename=file_types.make_file_name(self.extraction.title, file_type.extension),
            metadata=self._object_metadata(duration) | evidence.to_metadata(origin),
            if_version=self.if_version,
        )

    def _object_metadata(self, duration: float | None) -> dict[str, str]:
        """Metadata by which the bucket alone describes what is in it."""
        facts = {"title": self.extraction.title, "source": self.extraction.source, "download": self.claim.download_id}
        facts[SITE] = self.extraction.identity.domain
        if duration is not None:
            facts["duration"] = str(duration)
        return facts
