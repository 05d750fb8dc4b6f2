"""Passes on the HLS media playlists that yt-dlp's HlsFD downloads.

By itself, yt-dlp keeps a playlist for itself; with the patch, it is also passed to completeness.py.
"""

from collections.abc import Callable, Mapping
from typing import Any

from yt_dlp.downloader.hls import HlsFD


def install(see: Callable[[str, Mapping[str, Any]], None]) -> None:
    """Installs the patch: see(playlist, info) is called for each stream."""
    can_download = HlsFD.can_download

    def see_and_ask(manifest: str, info: Mapping[str, Any], *args: Any, **options: Any) -> Any:
        see(manifest, info)
        return can_download(manifest, info, *args, **options)

    HlsFD.can_download = staticmethod(see_and_ask)
