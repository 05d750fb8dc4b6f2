"""Reports the progress of ffmpeg's runs in FFmpegPostProcessor.

By itself, yt-dlp is silent while ffmpeg runs; with the patch, the size of the output is sent four times a second, so
that a long merge shows progress.
"""

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
"""A larger MP4 keeps its index at the end: to move it to the front, ffmpeg would write the whole file a second time,
and players read a large file by ranges anyway."""
INDEX_LAST = {"default": ["-movflags", "-faststart"]}
"""yt-dlp's postprocessor_args: they follow its own +faststart, and revoke it."""

Tell = Callable[[Converting], None]


def install(params: dict[str, Any], tell: Tell) -> None:
    """Installs the patch for a YoutubeDL with these params: tell is called during each run of ffmpeg."""
    run = FFmpegPostProcessor.real_run_ffmpeg

    def run_and_report(processor: Any, inputs: list[Any], outputs: list[Any], **how: Any) -> Any:
        size = sum(Path(path).stat().st_size for path, _ in inputs if path)
        outputs = [(path, list(options)) for path, options in outputs]
        params["postprocessor_args"] = INDEX_LAST if size > INDEX_FIRST_BYTES else {}
        target, options = outputs[0]
        with _reporting_size(tell, target, None if _drops_video(options) else size):
            return run(processor, inputs, outputs, **how)

    FFmpegPostProcessor.real_run_ffmpeg = run_and_report


def _drops_video(options: list[str]) -> bool:
    """Whether the video is left out: then the size of the input says nothing about the output's."""
    return "-vn" in options


@contextlib.contextmanager
def _reporting_size(tell: Tell, path: str, expected: float | None) -> Iterator[None]:
    ended = threading.Event()

    def report_size() -> None:
        while not ended.wait(INTERVAL):
            with contextlib.suppress(OSError):
                tell(Converting(Path(path).stat().st_size, expected))

    watcher = threading.Thread(target=report_size, name="conversion", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
