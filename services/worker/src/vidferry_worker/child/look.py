"""One look in a child: extracts a URL, reports what is there, and downloads nothing.

The order is a LookOrder (children/protocol.py). What a download would refuse, such as a live stream, is told here.
"""

from collections.abc import Callable, Iterable
from typing import Any

from yt_dlp.utils import LazyList

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.formats import Format, Quality
from vidferry_common.contract.probes import Probe
from vidferry_worker.child import options, preload
from vidferry_worker.child.channel import Channel
from vidferry_worker.child.event_logger import EventLogger
from vidferry_worker.child.list_probe import describe_list
from vidferry_worker.child.patches import smuggled_data
from vidferry_worker.child.stream_sizes import find_sizes
from vidferry_worker.child.video_probe import describe_video
from vidferry_worker.children.protocol import LookOrder, Probed

Streams = list[dict[str, Any]]


class Look:
    """One look in a child: from the order to the last event."""

    def __init__(self, channel: Channel, order: LookOrder) -> None:
        self._channel, self._order = channel, order
        self._format = Format.parse(order.format)
        self._ydl = preload.loaded_downloader()
        self._streams: Streams = []
        """that a download would fetch"""

    def run(self) -> None:
        smuggled_data.renew_key()
        self._configure_downloader()
        self._ydl.stall_timer.start(self._order.stall_seconds)
        found: dict[str, Any] | None = self._ydl.extract_info(self._order.url, download=False)
        self._channel.send_event(Probed(self._describe(found)))

    def _configure_downloader(self) -> None:
        """Configures the preloaded YoutubeDL for this request."""
        self._ydl.params.update(format=options.format_selector(self._format), logger=EventLogger(self._channel))
        select = preload.format_selector_for(self._format.canonical())
        self._ydl.format_selector = self._recording(select)
        self._ydl.wants_video = self._format.quality is not Quality.AUDIO
        self._ydl.on_list = _is_list_of_several

    def _recording(self, select: Callable[[dict[str, Any]], Iterable[dict[str, Any]]]) -> Callable[[Any], Streams]:
        """Wraps a format selector: records what it selects, and lets yt-dlp go on where that is nothing."""

        def select_and_record(context: dict[str, Any]) -> Streams:
            chosen = list(select(context))
            self._streams = (chosen[-1].get("requested_formats") or [chosen[-1]]) if chosen else []
            return chosen or [{}]

        return select_and_record

    def _describe(self, found: dict[str, Any] | None) -> Probe:
        video = found
        while video and video.get("entries") is not None and not _is_list_of_several(video):
            video = next(iter(video["entries"]), None)  # a list of one is its video, as for a download
        if not video:
            raise JobFailure(ErrorCode.UNSUPPORTED_SITE, "nothing was extracted")
        if video.get("entries") is not None:
            return describe_list(self._ydl, video, self._order.url)
        self._ydl.body_starts.is_guessed_video(video)  # fails where it is a document
        if not video.get("is_live"):
            find_sizes(self._ydl, self._streams)
        return describe_video(video, self._streams, self._format)


def _is_list_of_several(found: dict[str, Any]) -> bool:
    """Whether a result of an extractor has at least two entries. No more than these two are looked for."""
    entries = found.get("entries")
    if entries is None:
        return False
    if not isinstance(entries, list | LazyList) and not hasattr(entries, "getslice"):
        found["entries"] = entries = LazyList(entries)  # the entries that were looked for stay
    first = entries.getslice(0, 2) if hasattr(entries, "getslice") else entries[:2]
    return len(list(first)) > 1
