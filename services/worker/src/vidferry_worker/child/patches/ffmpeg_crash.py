"""ffmpeg that dies without a word: yt-dlp looks for the last line of what it wrote, and stumbles over none."""

from typing import Any

from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor, FFmpegPostProcessorError


def install() -> None:
    """From here on such an end is the conversion's failure, as any other is."""
    run = FFmpegPostProcessor.real_run_ffmpeg

    def told(*args: Any, **options: Any) -> Any:
        try:
            return run(*args, **options)
        except IndexError as error:
            raise FFmpegPostProcessorError("it ended without a word") from error

    FFmpegPostProcessor.real_run_ffmpeg = told
