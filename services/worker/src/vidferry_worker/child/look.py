"""One look in a child: extracts a URL, reports what is there, and downloads nothing.

The order is a LookOrder (children/protocol.py). What a download would refuse, such as a live stream, is told here.
"""

from collections.abc import Callable, Iterable
from typing import Any

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.formats import Format, Quality
from vidferry_common.contract.probes import Probe
from vidferry_worker.child import options, preload
from vidferry_worker.child.channel import Channel
from vidferry_worker.child.event_logger import EventLogger
from vidferry_worker.child.list_probe import add_entries, describe_list
from vidferry_worker.child.lists.listed_video import ListedVideo
from vidferry_worker.child.lists.refusal import reduce_to_video
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
        self._list: dict[str, Any] | None = None
        self._list_length: int | None = None

    def run(self) -> None:
        smuggled_data.renew_key()
        self._configure_downloader()
        self._ydl.start_extraction(self._order.stall_seconds)
        found: dict[str, Any] | None = self._ydl.extract_info(self._order.url, download=False)
        self._channel.send_event(Probed(self._describe(found)))

    def _configure_downloader(self) -> None:
        """Configures the preloaded YoutubeDL for this request."""
        self._ydl.params.update(format=options.format_selector(self._format), logger=EventLogger(self._channel))
        select = preload.format_selector_for(self._format.canonical())
        self._ydl.format_selector = self._recording(select)
        self._ydl.wants_video = self._format.quality is not Quality.AUDIO
        self._ydl.on_list = self._take_list

    def _take_list(self, found: dict[str, Any]) -> bool:
        """Whether what was found is a list of which a download would take nothing. Then nothing of it is extracted."""
        try:
            self._ydl.other_videos += reduce_to_video(self._ydl, found)
        except JobFailure as refusal:
            if refusal.code is not ErrorCode.PLAYLIST:
                raise
            self._list, self._list_length = found, refusal.entries
            return True
        return False

    def _recording(self, select: Callable[[dict[str, Any]], Iterable[dict[str, Any]]]) -> Callable[[Any], Streams]:
        """Wraps a format selector: records what it selects, and lets yt-dlp go on where that is nothing."""

        def select_and_record(context: dict[str, Any]) -> Streams:
            chosen = list(select(context))
            self._streams = (chosen[-1].get("requested_formats") or [chosen[-1]]) if chosen else []
            return chosen or [{}]

        return select_and_record

    def _describe(self, found: dict[str, Any] | None) -> Probe:
        if self._list is not None:
            return describe_list(self._ydl, self._list, self._order.url, self._list_length)
        while found and found.get("entries") is not None:
            found = next(iter(found["entries"]), None)  # the one video that a download would take
        if not found:
            raise JobFailure(ErrorCode.UNSUPPORTED_SITE, "nothing was extracted")
        self._ydl.body_starts.is_guessed_video(found)  # fails where it is a document
        if not found.get("is_live"):
            find_sizes(self._ydl, self._streams)
        probe = describe_video(found, self._streams, self._format)
        others = [ListedVideo(self._order.url, probe.title or "", probe.duration), *self._ydl.other_videos]
        return add_entries(probe, others) if len(others) > 1 else probe
