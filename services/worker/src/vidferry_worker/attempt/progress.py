"""How far a download and its upload are. Pure: time is an argument.

The progress of a stream is counted in fragments where it has them, otherwise in bytes of its length. Streams are
weighted by their sizes, or by their bit rates while the sizes are unknown. The progress that is shown never falls, and
is below 100 % until every byte has arrived. The number of bytes does fall where a file starts anew because it changed.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from vidferry_common.contract import stages
from vidferry_worker.children.protocol import FoundStream, Progress

SPEED_WINDOW = 3.0
"""seconds over which speed is measured"""
MAX_UNFINISHED = 0.99
"""the most that is shown while bytes are still missing"""


@dataclass(slots=True)
class _StreamProgress:
    rate: float
    """its bit rate, 0 where that is unknown"""
    expected: int | None
    """bytes, according to the extraction"""
    downloaded: int = 0
    total: int | None = None
    fragments: float | None = None
    """0 to 1: the fragments that have arrived; None for a stream without fragments"""
    finished: bool = False

    def update(self, event: Progress) -> None:
        downloaded, is_file = int(event.downloaded or 0), not event.fragments
        has_restarted = is_file and 0 < downloaded < self.downloaded and not event.finished
        self.downloaded = downloaded if has_restarted else max(self.downloaded, downloaded)
        self.finished = self.finished or event.finished
        self.total = int(event.total or event.estimate or 0) or self.total
        count = int(event.fragments or 0)
        self.fragments = min((event.fragment or 0) / count, 1.0) if count else None

    @property
    def share(self) -> float | None:
        """0 to 1, None where the length is unknown."""
        if self.finished:
            return 1.0
        if self.fragments is not None or not self.downloaded:
            return self.fragments or 0.0
        return self.downloaded / self.length if self.length else None

    @property
    def length(self) -> int | None:
        """Bytes in all, as far as known. A stated length that more bytes have exceeded doesn't count."""
        if self.finished:
            return self.downloaded
        for stated in (self.total, self.expected):
            if stated is not None and stated >= self.downloaded:
                return stated
        return int(self.downloaded / self.fragments) if self.fragments else None


class DownloadProgress:
    """The progress of one download, over all its streams."""

    def __init__(self, streams: Sequence[FoundStream]) -> None:
        self._streams = [
            _StreamProgress(float(int(each.bit_rate or 0)), int(each.bytes or 0) or None) for each in streams
        ]
        self._shown = 0.0
        self._samples: deque[tuple[float, int]] = deque()

    def update(self, event: Progress, now: float) -> None:
        """Takes the next event of the child; ignores one of an unknown stream."""
        if event.stream >= len(self._streams):
            return
        before = self.downloaded
        self._streams[event.stream].update(event)
        if self.downloaded < before:
            self._samples.clear()
        self._samples.append((now, self.downloaded))
        while self._samples[0][0] < now - SPEED_WINDOW:
            self._samples.popleft()
        self._shown = max(self._shown, self._weighted_fraction())

    @property
    def is_complete(self) -> bool:
        """Whether the last byte of every stream has arrived."""
        return all(stream.finished for stream in self._streams)

    @property
    def fraction(self) -> float:
        """0 to 1, never less than before. It doesn't change while a length is unknown."""
        return 1.0 if self.is_complete else self._shown

    @property
    def quarters(self) -> int:
        """How many quarters are done; the last one only after the last byte."""
        return stages.count_quarters(self.fraction)

    @property
    def progress(self) -> float:
        """Per cent of the whole job."""
        return stages.download_progress(self.fraction)

    @property
    def downloaded(self) -> int:
        return sum(stream.downloaded for stream in self._streams)

    @property
    def total(self) -> int | None:
        """Bytes of all streams, None while one is unknown."""
        lengths = [stream.length for stream in self._streams]
        return None if None in lengths else sum(filter(None, lengths))

    def speed(self, now: float) -> float | None:
        """Bytes/s in the last SPEED_WINDOW seconds, 0 where none arrived, None until there is enough to measure."""
        recent = next(((when, count) for when, count in self._samples if when >= now - SPEED_WINDOW), None)
        if recent is None:
            return 0.0 if self._samples else None
        since, before = recent
        return (self.downloaded - before) / (now - since) if now - since > 0.2 else None  # noqa: PLR2004

    def eta(self, now: float) -> float | None:
        """Seconds to the end of the download, None where that is unknown."""
        if self.is_complete:
            return 0.0
        speed = self.speed(now)
        if not speed or any(stream.share is None for stream in self._streams):
            return None
        known = any(stream.length for stream in self._streams)
        left = sum(weight - stream.downloaded for weight, stream in self._weigh_streams())
        return max(left, 0.0) / speed if known else None

    def _weighted_fraction(self) -> float:
        weighed = self._weigh_streams()
        done = sum(weight * stream.share for weight, stream in weighed if stream.share is not None)
        return min(done / sum(weight for weight, _ in weighed), MAX_UNFINISHED)

    def _weigh_streams(self) -> list[tuple[float, _StreamProgress]]:
        """Each stream with its bytes. An unknown length is estimated by bit rate from the known ones."""
        rates = [stream.rate for stream in self._streams if stream.rate]
        average = sum(rates) / len(rates) if rates else 1.0
        known = [(stream.length, stream.rate or average) for stream in self._streams if stream.length]
        scale = sum(length for length, _ in known) / sum(rate for _, rate in known) if known else 1.0
        return [(float(stream.length or (stream.rate or average) * scale), stream) for stream in self._streams]


class UploadProgress:
    """The speed of one upload since its stage began. Some bytes may have been sent before that."""

    def __init__(self, size: int, sent: int, now: float) -> None:
        self.size, self._sent_before, self._begun = size, sent, now

    def speed(self, sent: int, now: float) -> float | None:
        """Bytes/s, None before anything was sent."""
        return (sent - self._sent_before) / max(now - self._begun, 0.001) if sent > self._sent_before else None

    def eta(self, sent: int, now: float) -> float | None:
        """Seconds to the last byte, None where that is unknown."""
        speed = self.speed(sent, now)
        return (self.size - sent) / max(speed, 1) if speed else None
