"""What yt-dlp finds at addresses, with what the worker changes of it or by itself: a process each, for all of them.

Run as a program it reads `{"patched": …, "urls": […]}` and writes a list of what was found.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Extracted:
    """The first video at an address."""

    url: str = ""
    """of the stream that is chosen, empty where nothing was found"""
    extension: str = ""
    title: str = ""
    referer: str | None = None
    error: str = ""


def extract(urls: Sequence[str], *, patched: bool) -> list[Extracted]:
    """What is found at each, in their order."""
    order = json.dumps({"patched": patched, "urls": list(urls)})
    done = subprocess.run(
        [sys.executable, __file__], input=order, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return [Extracted(**each) for each in json.loads(done.stdout)]


def _extract_one(ydl: Any, url: str) -> dict[str, Any]:
    try:
        found = ydl.extract_info(url, download=False)
        video = next(iter(found["entries"])) if "entries" in found else found
        stream = (video.get("requested_formats") or [video])[0]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        return {"error": f"{type(error).__name__}: {error}"}
    headers = stream["http_headers"]
    return {
        "url": stream["url"],
        "extension": stream["ext"],
        "title": video["title"],
        "referer": headers.get("Referer"),
    }


def main() -> None:
    from yt_dlp import YoutubeDL  # noqa: PLC0415 - for the program alone: a test imports no yt-dlp

    from vidferry_common.contract.formats import Format  # noqa: PLC0415
    from vidferry_worker.child import options, preload, site_downloader  # noqa: PLC0415

    order = json.load(sys.stdin)
    chosen = {
        **options.base_options(),
        "format": options.format_selector(Format()),
        "noprogress": True,
        "no_warnings": True,
    }
    if order["patched"]:
        preload.load_downloader()
    found = []
    for url in order["urls"]:
        with (site_downloader.SiteDownloader if order["patched"] else YoutubeDL)({**chosen, "logger": _Quiet()}) as ydl:
            found.append(_extract_one(ydl, url))
    json.dump(found, sys.stdout)


class _Quiet:
    def debug(self, text: str) -> None: ...

    info = warning = error = debug


if __name__ == "__main__":
    main()
