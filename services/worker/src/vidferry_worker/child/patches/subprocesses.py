"""ffmpeg, ffprobe and the JavaScript runtime: they end with the child, and ffmpeg reads nothing but local media."""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from yt_dlp.utils import Popen

from vidferry_worker.child.sandbox import kernel

# Containers that hold all of themselves. Left out is what leads to other files or to a network: playlists (hls, dash,
# concat, imf), descriptions (sdp), patterns of names (image2), and what is read without being probed (lavfi, tee).
DEMUXERS = (
    "mov", "matroska", "webm", "mpegts", "mpeg", "mpegvideo", "flv", "avi", "ogg", "asf", "mp3", "aac", "flac", "wav",
    "w64", "aiff", "caf", "amr", "ac3", "eac3", "dts", "truehd", "h264", "hevc", "m4v", "ivf", "obu", "vc1", "dv",
    "mxf", "nut", "rm", "ape", "wv", "tta", "dsf", "au", "gif",
)  # fmt: skip
GUARD = ("-protocol_whitelist", "file,pipe", "-format_whitelist", ",".join(DEMUXERS))


def install() -> None:
    """From here on, for every program that yt-dlp starts: all through its own Popen."""
    start = Popen.__init__

    def started(popen: Any, command: Any, *args: Any, **options: Any) -> None:
        # The kernel's promise to the child (prctl(2)) isn't inherited: it is made to each program too.
        start(popen, guarded(command), *args, preexec_fn=_end_with_us, **options)

    Popen.__init__ = started


def guarded(command: Sequence[str]) -> list[str]:
    """Ffmpeg's and ffprobe's with the guard before each input (libavformat's options), others as they are."""
    program, *arguments = command
    if Path(program).stem == "ffprobe":
        return [program, *GUARD, *arguments]
    if Path(program).stem == "ffmpeg":
        return [program, *(each for one in arguments for each in ((*GUARD, one) if one == "-i" else (one,)))]
    return list(command)


def _end_with_us() -> None:
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
