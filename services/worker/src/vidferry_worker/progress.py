"""How far a download is, from what its streams report. Pure: time is handed in.

A stream's share is counted in fragments where it has them, else in bytes of a known length; streams weigh by their
sizes, or bit rates. What is shown never goes back.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SPEED_WINDOW = 3.0
"""seconds over which speed is measured"""
START, END = 20.0, 80.0
"""per cent of the job that the download stands for"""
QUARTERS = 4


@dataclass(slots=True)
class _Stream:
    weight: float
    expected: int | None
    """bytes, as the extraction told"""
    downloaded: int = 0
    total: int | None = None
    share: float | None = 0.0
    """0 to 1, None where the length is unknown"""
    finished: bool = False


class Transfer:
    """The bytes of one download, over all its streams."""

    def __init__(self, streams: Sequence[Mapping[str, Any]]) -> None:
        weights = _weights(streams)
        self._streams = [
            _Stream(weight, _count(stream.get("bytes"))) for weight, stream in zip(weights, streams, strict=True)
        ]
        self._shown = 0.0
        self._samples: deque[tuple[float, int]] = deque()
        self._started: float | None = None

    def update(self, event: Mapping[str, Any], now: float) -> None:
        """Takes one `progress` of a child; ill-formed ones are ignored, since children are not trusted."""
        index = event.get("stream")
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(self._streams):
            return
        stream = self._streams[index]
        stream.downloaded = max(stream.downloaded, _count(event.get("downloaded")) or 0)
        stream.total = _count(event.get("total")) or _count(event.get("estimate")) or stream.total
        stream.finished = stream.finished or bool(event.get("finished"))
        stream.share = _share(stream, event)
        self._started = now if self._started is None else self._started
        self._samples.append((now, self.downloaded))
        while self._samples[0][0] < now - SPEED_WINDOW:
            self._samples.popleft()

    @property
    def complete(self) -> bool:
        """Whether every stream's last byte is here."""
        return all(stream.finished for stream in self._streams)

    @property
    def fraction(self) -> float:
        """0 to 1, never less than before; it stands still while the length of what comes is unknown."""
        shares = [(stream.weight, stream.share) for stream in self._streams]
        known = sum(weight * share for weight, share in shares if share is not None)
        self._shown = max(self._shown, min(known / sum(weight for weight, _ in shares), 1.0))
        return self._shown

    @property
    def quarters(self) -> int:
        """How many quarters are done; the last one only after the last byte."""
        return QUARTERS if self.complete else min(int(self.fraction * QUARTERS), QUARTERS - 1)

    @property
    def progress(self) -> float:
        """Per cent of the whole job."""
        return START + (END - START) * self.fraction

    @property
    def downloaded(self) -> int:
        return sum(stream.downloaded for stream in self._streams)

    @property
    def total(self) -> int | None:
        """Bytes of all streams, None while one is unknown."""
        sizes = [stream.downloaded if stream.finished else stream.total or stream.expected for stream in self._streams]
        return None if any(size is None for size in sizes) else max(sum(filter(None, sizes)), self.downloaded)

    def speed(self, now: float) -> float | None:
        """Bytes/s over the last seconds, 0 where nothing came in them, None before there is anything to tell."""
        recent = next(((when, count) for when, count in self._samples if when >= now - SPEED_WINDOW), None)
        if recent is None:
            return 0.0 if self._samples else None
        since, before = recent
        return (self.downloaded - before) / (now - since) if now - since > 0.2 else None  # noqa: PLR2004

    def eta(self, now: float) -> float | None:
        """Seconds to the end of the download."""
        speed, total = self.speed(now), self.total
        if self.complete:
            return 0.0
        if speed == 0:
            return None
        if speed and total:
            return (total - self.downloaded) / speed
        if self._started is not None and self.fraction > 0.02:  # noqa: PLR2004 - less tells nothing
            return (now - self._started) * (1 - self.fraction) / self.fraction
        return None


def _weights(streams: Sequence[Mapping[str, Any]]) -> list[float]:
    for name in ("bytes", "bit_rate"):
        values = [_number(stream.get(name)) for stream in streams]
        if all(values):
            return [value or 1.0 for value in values]
    return [1.0] * len(streams)


def _share(stream: _Stream, event: Mapping[str, Any]) -> float | None:
    if stream.finished:
        return 1.0
    done, parts = _number(event.get("fragment")), _number(event.get("fragments"))
    if parts:
        return min((done or 0) / parts, 1.0)
    length = _number(event.get("total"))
    return min(stream.downloaded / length, 1.0) if length else None


def _number(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)  # JSON's true is no figure
    return float(value) if number and 0 <= value < 2**53 else None


def _count(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else int(number)
