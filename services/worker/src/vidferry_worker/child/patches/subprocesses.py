"""Changes how yt-dlp starts ffmpeg, ffprobe and the JavaScript runtime (yt_dlp.utils.Popen).

By itself, yt-dlp's programs may outlive it, and ffmpeg opens whatever a file refers to. With the patch, programs end
with the child, and ffmpeg reads only local media.
"""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from yt_dlp.utils import Popen

from vidferry_worker.child.sandbox import kernel

# Self-contained formats. Left out are formats that refer to other files or to a network: playlists (hls, dash, concat,
# imf), descriptions (sdp), file name patterns (image2), and formats that are read without being probed (lavfi, tee).
DEMUXERS = (
    "mov", "matroska", "webm", "mpegts", "mpeg", "mpegvideo", "flv", "avi", "ogg", "asf", "mp3", "aac", "flac", "wav",
    "w64", "aiff", "caf", "amr", "ac3", "eac3", "dts", "truehd", "h264", "hevc", "m4v", "ivf", "obu", "vc1", "dv",
    "mxf", "nut", "rm", "ape", "wv", "tta", "dsf", "au", "gif",
)  # fmt: skip
GUARD = ("-protocol_whitelist", "file,pipe", "-format_whitelist", ",".join(DEMUXERS))


def install() -> None:
    """Installs the patch, for every program that yt-dlp starts."""
    start = Popen.__init__

    def start_guarded(popen: Any, command: Any, *args: Any, **options: Any) -> None:
        # PR_SET_PDEATHSIG is not inherited (prctl(2)): each program has to set it too.
        start(popen, add_guard(command), *args, preexec_fn=_die_with_child, **options)

    Popen.__init__ = start_guarded


def add_guard(command: Sequence[str]) -> list[str]:
    """Adds the guard (options of libavformat) before each input of ffmpeg and ffprobe; other commands are unchanged."""
    program, *arguments = command
    if Path(program).stem == "ffprobe":
        return [program, *GUARD, *arguments]
    if Path(program).stem == "ffmpeg":
        return [program, *(each for one in arguments for each in ((*GUARD, one) if one == "-i" else (one,)))]
    return list(command)


def _die_with_child() -> None:
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
