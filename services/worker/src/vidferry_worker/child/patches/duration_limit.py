"""Limits the duration of HLS streams in yt-dlp's HlsFD.

By itself, yt-dlp downloads a stream of any duration; with the patch, one whose playlist is too long is refused before
its first segment is fetched.
"""

from typing import Any

from yt_dlp.downloader.hls import HlsFD

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import durations


def install(most: float) -> None:
    """Installs the patch: a playlist of more than so many seconds is a JobFailure."""
    can_download = HlsFD.can_download

    def can_download_so_much(manifest: str, *args: Any, **options: Any) -> Any:
        if durations.playlist_duration(manifest) > most:
            raise JobFailure(ErrorCode.TOO_LONG, "as its playlist tells")
        return can_download(manifest, *args, **options)

    HlsFD.can_download = staticmethod(can_download_so_much)
