"""yt-dlp's own command line, without anything of ours: what it does wrong by itself, it still does."""

import os
import subprocess
import sys
from pathlib import Path

from support import ffmpeg


def yt_dlp(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Its run in a folder; the files that it leaves there are what it made."""
    return subprocess.run(
        [sys.executable, "-m", "yt_dlp", "--ignore-config", "--no-cache-dir", *arguments],
        cwd=folder, env={**os.environ, "PATH": ffmpeg.path_with_ffmpeg(), "HOME": str(folder)}, capture_output=True,
        text=True, check=False, timeout=100,
    )  # fmt: skip
