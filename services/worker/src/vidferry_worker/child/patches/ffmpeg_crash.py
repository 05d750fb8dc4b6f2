"""Handles an ffmpeg that fails without output, in FFmpegPostProcessor.

By itself, yt-dlp raises an IndexError, since it looks for the last line of the output; with the patch, such an end is a
failed conversion like any other.
"""

from typing import Any

from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor, FFmpegPostProcessorError


def install() -> None:
    run = FFmpegPostProcessor.real_run_ffmpeg

    def run_and_translate(*args: Any, **options: Any) -> Any:
        try:
            return run(*args, **options)
        except IndexError as error:
            raise FFmpegPostProcessorError("it ended without a word") from error

    FFmpegPostProcessor.real_run_ffmpeg = run_and_translate
