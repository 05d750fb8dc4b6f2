"""How far a stream of fragments is, also while several of them come at once.

yt-dlp's own tally (FragmentFD._start_frag_download) is one dict that all its threads write; its estimate counts twice
what is under way, and HlsFD's count of fragments lacks the first one of fragmented MP4 (EXT-X-MAP). So ours takes its
place: it hears of each block of each fragment, from the thread that fetches it.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from yt_dlp.downloader.fragment import FragmentFD

Facts = dict[str, Any]


class Tally:
    """The fragments of one stream that are here or under way."""

    def __init__(self, total: int | None) -> None:
        self.total = total
        self._lock = threading.Lock()
        self._fetched = self._bytes = 0
        self._under_way: dict[int, tuple[int, int | None]] = {}
        """by thread: bytes so far and, where it was told, the length"""

    def note(self, seen: Facts) -> Facts:
        """Takes what yt-dlp tells of one fragment; the facts of the stream then, `fragment` with what is under way."""
        done = seen.get("downloaded_bytes") or 0
        with self._lock:
            self._under_way.pop(threading.get_ident(), None)
            if seen["status"] == "finished":
                self._fetched, self._bytes = self._fetched + 1, self._bytes + done
            else:
                self._under_way[threading.get_ident()] = (done, seen.get("total_bytes"))
            return self._facts()

    def _facts(self) -> Facts:
        told = [(done, length) for done, length in self._under_way.values() if length and done <= length]
        count, size = self._fetched + len(told), self._bytes + sum(length for _, length in told)
        return {
            "finished": False,
            "downloaded": self._bytes + sum(done for done, _ in self._under_way.values()),
            "total": None,
            "estimate": size * self.total // count if self.total and count else None,
            "fragment": self._fetched + sum(done / length for done, length in told),
            "fragments": self.total,
        }


def install(put: Callable[[Facts, Facts], None]) -> None:
    """From here on, put(info, facts) is called for each block of a fragment, from several threads."""

    def start(_: Any, ctx: Facts, info: Facts) -> float:
        tally = ctx["tally"] = Tally(ctx["total_frags"])
        ctx["started"] = time.time()
        ctx["dl"].add_progress_hook(lambda seen: put(info, tally.note(seen)))
        return float(ctx["started"])

    fetch = FragmentFD.download_and_append_fragments

    def counted(downloader: Any, ctx: Facts, fragments: Any, info: Facts, **how: Any) -> Any:
        if isinstance(fragments, list):
            ctx["tally"].total = len(fragments)
        return fetch(downloader, ctx, fragments, info, **how)

    FragmentFD._start_frag_download = start  # noqa: SLF001 - it has no hook of its own for one fragment's progress
    FragmentFD.download_and_append_fragments = counted
