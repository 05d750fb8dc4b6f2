"""ffmpeg's runs, watched: how much it has written is told four times a second, so a long merge is seen to go on."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor

from vidferry_worker.children.protocol import Converting

INTERVAL = 0.25
"""seconds"""
INDEX_FIRST_BYTES = 64 * 1024**2
"""Larger MP4 keeps its index at the end: ffmpeg would write all of the file a second time to put it in front, and
who plays a large file reads it by ranges anyway."""
INDEX_LAST = {"default": ["-movflags", "-faststart"]}
"""yt-dlp's postprocessor_args: they follow its own +faststart, and take it back."""

Tell = Callable[[Converting], None]


def install(params: dict[str, Any], tell: Tell) -> None:
    """From here on each run, of a downloader with these params, tells `converting` with `written` bytes and, where they
    are known, `expected` ones.
    """
    run = FFmpegPostProcessor.real_run_ffmpeg

    def watched(processor: Any, inputs: list[Any], outputs: list[Any], **how: Any) -> Any:
        size = sum(Path(path).stat().st_size for path, _ in inputs if path)
        outputs = [(path, list(options)) for path, options in outputs]
        params["postprocessor_args"] = INDEX_LAST if size > INDEX_FIRST_BYTES else {}
        target, options = outputs[0]
        with _watching(tell, target, None if _is_less(options) else size):
            return run(processor, inputs, outputs, **how)

    FFmpegPostProcessor.real_run_ffmpeg = watched


def _is_less(options: list[str]) -> bool:
    """Whether the pictures are left out: then the size of what goes in tells nothing of what comes out."""
    return "-vn" in options


@contextlib.contextmanager
def _watching(tell: Tell, path: str, expected: float | None) -> Iterator[None]:
    over = threading.Event()

    def look() -> None:
        while not over.wait(INTERVAL):
            with contextlib.suppress(OSError):
                tell(Converting(Path(path).stat().st_size, expected))

    watcher = threading.Thread(target=look, name="conversion", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
