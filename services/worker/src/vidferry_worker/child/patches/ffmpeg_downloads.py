"""Streams that yt-dlp would have ffmpeg fetch are refused: that has no network here."""

from typing import Any

from yt_dlp.downloader.external import FFmpegFD

from vidferry_common.contract.errors import ErrorCode, JobFailure


def install() -> None:
    FFmpegFD.real_download = _refuse


def _refuse(*_: Any) -> None:
    raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, "ffmpeg would have to fetch it")
