"""Refuses downloads by FFmpegFD.

By itself, yt-dlp has ffmpeg fetch some streams; with the patch, these are refused, since ffmpeg has no network here.
"""

from typing import Any

from yt_dlp.downloader.external import FFmpegFD

from vidferry_common.contract.errors import ErrorCode, JobFailure


def install() -> None:
    FFmpegFD.real_download = _refuse_download


def _refuse_download(*_: Any) -> None:
    raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, "ffmpeg would have to fetch it")
