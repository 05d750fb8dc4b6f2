"""An HLS stream that is too long is given up once its playlist is here, before yt-dlp fetches its first segment."""

from typing import Any

from yt_dlp.downloader.hls import HlsFD

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import durations


def install(most: float) -> None:
    """From here on one of more seconds is a JobFailure."""
    can_download = HlsFD.can_download

    def can_download_so_much(manifest: str, *args: Any, **options: Any) -> Any:
        if durations.of_playlist(manifest) > most:
            raise JobFailure(ErrorCode.TOO_LONG, "as its playlist tells")
        return can_download(manifest, *args, **options)

    HlsFD.can_download = staticmethod(can_download_so_much)
