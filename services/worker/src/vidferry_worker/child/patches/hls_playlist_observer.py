"""HLS media playlists are shown to who compares them with what has come: yt-dlp has them when it fetches a stream."""

from collections.abc import Callable, Mapping
from typing import Any

from yt_dlp.downloader.hls import HlsFD


def install(see: Callable[[str, Mapping[str, Any]], None]) -> None:
    """From here on see(playlist, info) is called for each stream."""
    can_download = HlsFD.can_download

    def see_and_ask(manifest: str, info: Mapping[str, Any], *args: Any, **options: Any) -> Any:
        see(manifest, info)
        return can_download(manifest, info, *args, **options)

    HlsFD.can_download = staticmethod(see_and_ask)
