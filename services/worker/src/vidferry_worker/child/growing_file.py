"""Reports a file to the worker while it is still being downloaded, so that the worker can begin to upload it.

Only for a single file that nothing will rewrite. The report describes the finished file as far as its header tells;
`Done` has the last word. A file whose header announces too long a duration fails the download at once.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.formats import Container, Format, Quality
from vidferry_worker.child import containers, content_sniff
from vidferry_worker.child.probing import ProbedFile
from vidferry_worker.children import protocol

MIN_BYTES = 16 * 1024**2
"""bytes; smaller files are complete before much can be gained"""
PROBE_OFFSETS = (1024**2, 4 * 1024**2, 12 * 1024**2)
"""After so many bytes the file is probed: the index of many hours takes a few MiB."""
SINGLE_BODY_PROTOCOLS = frozenset({"http", "https"})
"""yt-dlp's protocols whose stream is one response body, written from the first byte to the last"""


def is_final_as_downloaded(fmt: Format, streams: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the download is one body that stays as it is: nothing is merged, extracted or remuxed.

    Whether it has the requested container is judged by its name here, and later by the first bytes of the file.
    """
    if len(streams) != 1 or streams[0].get("protocol") not in SINGLE_BODY_PROTOCOLS:
        return False
    if fmt.quality is Quality.AUDIO or fmt.container is Container.MKV:
        return False
    return fmt.container in {Container.ANY, streams[0].get("ext") or fmt.container}


class GrowingFileReporter:
    """Probes the file of a download while it grows and reports it. A thread does that, so the download doesn't wait."""

    def __init__(
        self,
        probe: Callable[[Path], ProbedFile],
        tell: Callable[[protocol.Growing | protocol.Failed], None],
        max_duration: float,
        container: Container = Container.ANY,
        evidence: Callable[[], protocol.Evidence] = lambda: None,
    ) -> None:
        self._probe, self._tell, self._max_duration, self._container = probe, tell, max_duration, container
        self._evidence = evidence
        self._looks = list(PROBE_OFFSETS)
        self._looking: threading.Thread | None = None

    def note_progress(self, seen: Mapping[str, Any]) -> None:
        """Takes yt-dlp's progress, after each block."""
        if (seen.get("total_bytes") or 0) < MIN_BYTES or seen["status"] != "downloading":
            return
        busy = self._looking is not None and self._looking.is_alive()
        if self._looks and not busy and seen["downloaded_bytes"] >= self._looks[0]:
            self._looks.pop(0)
            self._looking = threading.Thread(target=self._probe_file, args=(dict(seen),), name="growing", daemon=True)
            self._looking.start()

    def _is_in_wanted_container(self, path: Path) -> bool:
        """Whether the file needs no remux."""
        return self._container is Container.ANY or containers.is_in_container(path, self._container)

    def _probe_file(self, seen: Mapping[str, Any]) -> None:
        path = Path(seen["tmpfilename"])
        try:
            if content_sniff.is_text_file(path) or not self._is_in_wanted_container(path):
                return
            probed = self._probe(path)
        except (JobFailure, OSError):  # the header is incomplete, or the download has ended meanwhile
            return
        self._looks.clear()
        if not probed.tells_length_first:
            return
        if (probed.duration or 0) > self._max_duration:
            self._tell(protocol.Failed(ErrorCode.TOO_LONG, "its beginning says so"))
            return
        described = probed.describe(Path(seen["filename"]).name)
        self._tell(protocol.Growing(path.name, int(seen["total_bytes"]), described, self._evidence()))
