"""Programs put before the real ones on a worker's PATH."""

import os
from pathlib import Path

from support import ffmpeg


def ffmpeg_that(folder: Path, does: str) -> dict[str, str]:
    """The environment of a worker whose ffmpeg is a shell script that ends in the real one; `$@` are its arguments.

    The sandbox lets downloads read both.
    """
    folder.mkdir(parents=True)
    script = folder / "ffmpeg"
    script.write_text(f'#!/bin/sh\n{does}\nexec "{ffmpeg.ffmpeg()}" "$@"\n')
    script.chmod(0o755)
    readable = {folder, ffmpeg.folder(), ffmpeg.ffmpeg().resolve().parent}
    return {
        "PATH": f"{folder}{os.pathsep}{ffmpeg.path_with_ffmpeg()}",
        "VIDFERRY_SANDBOX_READ": ",".join(map(str, readable)),
    }
