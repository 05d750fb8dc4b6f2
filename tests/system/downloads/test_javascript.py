"""YouTube needs a JavaScript runtime and the scripts for it.

It can't be reached from a test, but yt-dlp says what it would use.
"""

import re
import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path

from support import ffmpeg
from support.origin.site import Site


def test_yt_dlp_has_a_javascript_runtime(site: Site, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "yt_dlp", "-v", "--ignore-config", "--no-cache-dir", "--proxy", "", "--simulate"]
    done = subprocess.run(
        [*command, site.url("/media/clip.mp4")],
        env={"PATH": ffmpeg.path_with_ffmpeg(), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert re.search(r"JS runtimes: deno-\d", done.stderr), done.stderr
    assert re.search(r"JS Challenge Providers: .*deno(?! \(unavailable\))", done.stderr) or "yt_dlp_ejs" in done.stderr


def test_the_scripts_are_those_of_this_yt_dlp() -> None:
    """yt-dlp passes over others, and YouTube's formats are then missing."""
    wanted = [
        line for line in requires("yt-dlp") or () if line.startswith("yt-dlp-ejs==") and "extra == 'default'" in line
    ]
    assert wanted == [f"yt-dlp-ejs=={version('yt-dlp-ejs')}; extra == 'default'"], (
        "name that one in services/worker/pyproject.toml"
    )
