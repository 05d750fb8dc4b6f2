"""Replaces the progress of segmented streams in yt-dlp's FragmentFD.

By itself, yt-dlp counts in a dict that all its threads write; its estimate counts fragments in progress twice, and
HlsFD's total lacks the initialization section. With the patch, each thread reports each block to one tally.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from yt_dlp.downloader.fragment import FragmentFD

Facts = dict[str, Any]


class FragmentTally:
    """Counts the fragments of one stream that are complete or in progress."""

    def __init__(self, total: int | None) -> None:
        self.total = total
        self._lock = threading.Lock()
        self._fetched = self._bytes = 0
        self._under_way: dict[int, tuple[int, int | None]] = {}
        """by thread: bytes so far, and the length if known"""

    def note_fragment(self, seen: Facts) -> Facts:
        """Takes yt-dlp's progress of a fragment; returns the progress of the stream.

        `fragment` includes the shares of fragments in progress.
        """
        done = seen.get("downloaded_bytes") or 0
        with self._lock:
            self._under_way.pop(threading.get_ident(), None)
            if seen["status"] == "finished":
                self._fetched, self._bytes = self._fetched + 1, self._bytes + done
            else:
                self._under_way[threading.get_ident()] = (done, seen.get("total_bytes"))
            return self._stream_facts()

    def _stream_facts(self) -> Facts:
        known = [(done, length) for done, length in self._under_way.values() if length and done <= length]
        count, size = self._fetched + len(known), self._bytes + sum(length for _, length in known)
        return {
            "finished": False,
            "downloaded": self._bytes + sum(done for done, _ in self._under_way.values()),
            "total": None,
            "estimate": size * self.total // count if self.total and count else None,
            "fragment": self._fetched + sum(done / length for done, length in known),
            "fragments": self.total,
        }


def install(put: Callable[[Facts, Facts], None]) -> None:
    """Installs the patch: put(info, facts) is called for each block of a fragment, from several threads."""

    def start_with_tally(_: Any, ctx: Facts, info: Facts) -> float:
        tally = ctx["tally"] = FragmentTally(ctx["total_frags"])
        ctx["started"] = time.time()
        ctx["dl"].add_progress_hook(lambda seen: put(info, tally.note_fragment(seen)))
        return float(ctx["started"])

    fetch = FragmentFD.download_and_append_fragments

    def fetch_counted(downloader: Any, ctx: Facts, fragments: Any, info: Facts, **how: Any) -> Any:
        if isinstance(fragments, list):
            ctx["tally"].total = len(fragments)
        return fetch(downloader, ctx, fragments, info, **how)

    FragmentFD._start_frag_download = start_with_tally  # noqa: SLF001 - there is no hook for a fragment's progress
    FragmentFD.download_and_append_fragments = fetch_counted
