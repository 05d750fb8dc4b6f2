"""How far a download is, from what its streams report. Pure: time is handed in.

A stream's share is counted in fragments where it has them, else in bytes of its length; streams weigh by their sizes,
and where those aren't known yet by their bit rates. What is shown never goes back, and is less than all until all is
here; the bytes of a file that begins anew, as it changed on its way, do.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from vidferry_common.contract import stages
from vidferry_worker.children.protocol import FoundStream, Progress

SPEED_WINDOW = 3.0
"""seconds over which speed is measured"""
ALMOST = 0.99
"""What is shown at most while bytes still move."""


@dataclass(slots=True)
class _Stream:
    rate: float
    """its bit rate, 0 where it is unknown"""
    expected: int | None
    """bytes, as the extraction told"""
    downloaded: int = 0
    total: int | None = None
    parts: float | None = None
    """0 to 1, the fragments that are here, None where it has none"""
    finished: bool = False

    def update(self, event: Progress) -> None:
        downloaded, is_file = int(event.downloaded or 0), not event.fragments
        begun_anew = is_file and 0 < downloaded < self.downloaded and not event.finished
        self.downloaded = downloaded if begun_anew else max(self.downloaded, downloaded)
        self.finished = self.finished or event.finished
        self.total = int(event.total or event.estimate or 0) or self.total
        parts = int(event.fragments or 0)
        self.parts = min((event.fragment or 0) / parts, 1.0) if parts else None

    @property
    def share(self) -> float | None:
        """0 to 1, None where the length is unknown."""
        if self.finished:
            return 1.0
        if self.parts is not None or not self.downloaded:
            return self.parts or 0.0
        return self.downloaded / self.length if self.length else None

    @property
    def length(self) -> int | None:
        """Bytes of all of it as far as they are known; a length that more bytes have belied is none."""
        if self.finished:
            return self.downloaded
        for told in (self.total, self.expected):
            if told is not None and told >= self.downloaded:
                return told
        return int(self.downloaded / self.parts) if self.parts else None


class Transfer:
    """The bytes of one download, over all its streams."""

    def __init__(self, streams: Sequence[FoundStream]) -> None:
        self._streams = [_Stream(float(int(each.bit_rate or 0)), int(each.bytes or 0) or None) for each in streams]
        self._shown = 0.0
        self._samples: deque[tuple[float, int]] = deque()

    def update(self, event: Progress, now: float) -> None:
        """Takes what a child tells; that of a stream that there is not is ignored."""
        if event.stream >= len(self._streams):
            return
        before = self.downloaded
        self._streams[event.stream].update(event)
        if self.downloaded < before:
            self._samples.clear()
        self._samples.append((now, self.downloaded))
        while self._samples[0][0] < now - SPEED_WINDOW:
            self._samples.popleft()
        self._shown = max(self._shown, self._reached())

    @property
    def complete(self) -> bool:
        """Whether every stream's last byte is here."""
        return all(stream.finished for stream in self._streams)

    @property
    def fraction(self) -> float:
        """0 to 1, never less than before; it stands still while the length of what comes is unknown."""
        return 1.0 if self.complete else self._shown

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
        """Bytes/s over the last seconds, 0 where nothing came in them, None before there is anything to tell."""
        recent = next(((when, count) for when, count in self._samples if when >= now - SPEED_WINDOW), None)
        if recent is None:
            return 0.0 if self._samples else None
        since, before = recent
        return (self.downloaded - before) / (now - since) if now - since > 0.2 else None  # noqa: PLR2004

    def eta(self, now: float) -> float | None:
        """Seconds to the end of the download, None where they can't be told."""
        if self.complete:
            return 0.0
        speed = self.speed(now)
        if not speed or any(stream.share is None for stream in self._streams):
            return None
        known = any(stream.length for stream in self._streams)
        left = sum(weight - stream.downloaded for weight, stream in self._weighed())
        return max(left, 0.0) / speed if known else None

    def _reached(self) -> float:
        weighed = self._weighed()
        done = sum(weight * stream.share for weight, stream in weighed if stream.share is not None)
        return min(done / sum(weight for weight, _ in weighed), ALMOST)

    def _weighed(self) -> list[tuple[float, _Stream]]:
        """Each stream's bytes; by the rates of those whose length is known, where it isn't itself."""
        rates = [stream.rate for stream in self._streams if stream.rate]
        usual = sum(rates) / len(rates) if rates else 1.0
        known = [(stream.length, stream.rate or usual) for stream in self._streams if stream.length]
        scale = sum(length for length, _ in known) / sum(rate for _, rate in known) if known else 1.0
        return [(float(stream.length or (stream.rate or usual) * scale), stream) for stream in self._streams]


class Pace:
    """Whether a download is quick enough to be worth its slot: a byte now and then is no progress."""

    def __init__(self, rate: int, seconds: float, now: float) -> None:
        self._least, self._seconds = rate * seconds, seconds
        self._since, self._before, self._waited = now, 0, 0.0

    def wait(self, seconds: float) -> None:
        """Leaves a wait out of the span, of which no more than as much again: a site may ask for one after another."""
        self._waited = min(self._waited + seconds, self._seconds)

    def is_too_slow(self, downloaded: int, now: float) -> bool:
        """Whether fewer bytes came in the last whole span of seconds than have to."""
        if now - self._since < self._seconds + self._waited:
            return False
        begun_anew = downloaded < self._before
        came = downloaded if begun_anew else downloaded - self._before
        self._since, self._before, self._waited = now, downloaded, 0.0
        return came < self._least


class Sending:
    """How fast an upload is since its stage began, when some of it may have been sent already."""

    def __init__(self, size: int, sent: int, now: float) -> None:
        self.size, self._before, self._begun = size, sent, now

    def speed(self, sent: int, now: float) -> float | None:
        """Bytes/s, None before anything was sent."""
        return (sent - self._before) / max(now - self._begun, 0.001) if sent > self._before else None

    def eta(self, sent: int, now: float) -> float | None:
        """Seconds to the last byte, None where they can't be told."""
        speed = self.speed(sent, now)
        return (self.size - sent) / max(speed, 1) if speed else None
