"""A single file that nothing will rewrite, told to the worker while it still grows: it may upload what is there.

What is told is what the finished file would be told as, for all that its beginning says; `done` has the last word. One
that is too long by then need not come any further.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.formats import Container, Format, Quality
from vidferry_worker.child import containers, content_sniff
from vidferry_worker.child.probing import Probed
from vidferry_worker.children import protocol

LEAST = 16 * 1024**2
"""bytes; smaller files are here before there is much to gain"""
LOOKS = (1024**2, 4 * 1024**2, 12 * 1024**2)
"""bytes that are there when it is looked whether a player could begin: an index of many hours takes some"""
BODIES = frozenset({"http", "https"})
"""yt-dlp's protocols that are one body, written from its first byte to its last"""


def is_kept(fmt: Format, streams: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a download is one body that stays as it comes: nothing is merged, extracted or put into another file.

    Of a container that was asked for, that is so as far as the name tells; what has come of the file tells the rest.
    """
    if len(streams) != 1 or streams[0].get("protocol") not in BODIES:
        return False
    if fmt.quality is Quality.AUDIO or fmt.container is Container.MKV:
        return False
    return fmt.container in {Container.ANY, streams[0].get("ext") or fmt.container}


class Growing:
    """Watches one download's file grow. A thread looks into the file, so that its bytes don't wait."""

    def __init__(
        self,
        probe: Callable[[Path], Probed],
        tell: Callable[[protocol.Growing | protocol.Failed], None],
        max_duration: float,
        container: Container = Container.ANY,
        evidence: Callable[[], protocol.Evidence] = lambda: None,
    ) -> None:
        self._probe, self._tell, self._max_duration, self._container = probe, tell, max_duration, container
        self._evidence = evidence
        self._looks = list(LOOKS)
        self._looking: threading.Thread | None = None

    def see(self, seen: Mapping[str, Any]) -> None:
        """Takes yt-dlp's progress of a block."""
        if (seen.get("total_bytes") or 0) < LEAST or seen["status"] != "downloading":
            return
        busy = self._looking is not None and self._looking.is_alive()
        if self._looks and not busy and seen["downloaded_bytes"] >= self._looks[0]:
            self._looks.pop(0)
            self._looking = threading.Thread(target=self._look, args=(dict(seen),), name="growing", daemon=True)
            self._looking.start()

    def _is_wanted(self, path: Path) -> bool:
        """Whether the file needs not be moved into another container."""
        return self._container is Container.ANY or containers.is_already(path, self._container)

    def _look(self, seen: Mapping[str, Any]) -> None:
        path = Path(seen["tmpfilename"])
        try:
            if content_sniff.is_disguised(path) or not self._is_wanted(path):
                return
            probed = self._probe(path)
        except (JobFailure, OSError):  # not yet, or the download has ended meanwhile
            return
        self._looks.clear()
        if not probed.tells_length_first:
            return
        if (probed.duration or 0) > self._max_duration:
            self._tell(protocol.Failed(ErrorCode.TOO_LONG, "its beginning says so"))
            return
        described = probed.description(Path(seen["filename"]).name)
        self._tell(protocol.Growing(path.name, int(seen["total_bytes"]), described, self._evidence()))
