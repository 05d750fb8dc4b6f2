"""Postprocessors for yt-dlp that remux a finished download into the requested container, or extract its audio."""

import re
from pathlib import Path
from typing import Any

from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor, FFmpegPostProcessorError

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.formats import Container
from vidferry_worker.child import audio_extraction, containers, probing

Info = dict[str, Any]
Result = tuple[list[str], Info]
GENERATE_TIMESTAMPS = ["-fflags", "+genpts"]
"""AVI has no presentation timestamps, which Matroska and MP4 need."""
FAILURES = (FFmpegPostProcessorError, JobFailure)
_CODEC_NOT_SUPPORTED = re.compile(r"tag (?:found )?for codec|not (?:currently )?supported in container")
"""ffmpeg's message for a codec that the container can't hold"""
COVER_FILE = "cover.picture"
"""the temporary file of a cover"""


class _RemuxPP(FFmpegPostProcessor):  # type: ignore[misc]  # yt-dlp publishes no types
    def __init__(self, downloader: Any, container: Container) -> None:
        super().__init__(downloader)
        self._container = container

    def run_ffmpeg_on(self, path: Path, target: Path, words: list[str]) -> None:
        """Runs ffmpeg; JobFailure where the container doesn't support a codec."""
        try:
            self.real_run_ffmpeg([(str(path), GENERATE_TIMESTAMPS)], [(str(target), words)])
        except FFmpegPostProcessorError as error:
            failure = error
        else:
            return
        target.unlink(missing_ok=True)
        # Raised outside of the except block: else classify.py would see ffmpeg's error as the cause of this one.
        if _CODEC_NOT_SUPPORTED.search(self._downloader.last_debug_message):
            raise JobFailure(ErrorCode.FORMAT_UNAVAILABLE, f"{target.suffix} doesn't hold a codec")
        raise failure

    def read_probe_report(self, path: Path) -> Info:
        """What ffprobe finds in a file; JobFailure where it is not media."""
        try:
            report: Info = self.get_metadata_object(str(path))
        except ValueError as error:
            raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"ffprobe told nothing: {error}") from error
        if not any(each.get("codec_type") in {"video", "audio"} for each in report.get("streams", [])):
            raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, "the file holds neither picture nor sound")
        return report

    def replace_file(self, info: Info, made: Path, extension: str) -> Result:
        """Makes the new file the download's file; yt-dlp deletes what is returned first."""
        source = Path(info["filepath"])
        target = source.with_name(f"media.{extension}")
        made.replace(target)
        info["filepath"], info["ext"] = str(target), extension
        return [] if source in {target, made} else [str(source)], info


class RemuxIntoContainerPP(_RemuxPP):
    """Remuxes a file into the requested container; JobFailure where that doesn't support the streams."""

    def run(self, info: Info) -> Result:
        source = Path(info["filepath"])
        if containers.is_in_container(source, self._container):
            return self._rename_file(info, source)
        plan = containers.plan_remux(self.read_probe_report(source)["streams"], self._container)
        if plan is None:
            raise JobFailure(ErrorCode.FORMAT_UNAVAILABLE, f"{self._container} doesn't hold the streams")
        made = source.with_name(f"moved.{plan.extension}")
        cover = self._extract_cover(source, plan)
        try:
            self.run_ffmpeg_on(source, made, [*plan.arguments, *cover])
        except FAILURES:
            if not plan.has_text:
                raise
            # The reason may be a subtitle that ffmpeg can't read.
            self.run_ffmpeg_on(source, made, [*plan.arguments_without_text, *cover])
        source.with_name(COVER_FILE).unlink(missing_ok=True)
        return self.replace_file(info, made, plan.extension)

    def _rename_file(self, info: Info, source: Path) -> Result:
        fits = {"mkv", "mka"} if self._container is Container.MKV else {self._container.value}
        return ([], info) if info["ext"] in fits else self.replace_file(info, source, self._container.value)

    def _extract_cover(self, source: Path, plan: containers.RemuxPlan) -> list[str]:
        """Extracts the cover to a file; the arguments that attach it, empty where it can't be read."""
        if plan.cover is None:
            return []
        index, codec = plan.cover
        picture = source.with_name(COVER_FILE)
        try:
            self.run_ffmpeg_on(
                source, picture, ["-map", f"0:{index}", "-c", "copy", "-frames:v", "1", "-f", "image2pipe"]
            )
        except FAILURES:
            return []
        return containers.cover_arguments(picture, codec)


class ExtractAudioPP(_RemuxPP):
    """Extracts the audio of a file; JobFailure where it has none that the requested container supports."""

    source_file: probing.ProbedFile | None = None
    """the file before the extraction, once it is probed"""

    def run(self, info: Info) -> Result:
        facts = self.read_probe_report(Path(info["filepath"]))
        self.source_file = probing.parse_probe_report(facts)
        target = audio_extraction.plan_extraction(facts, info["ext"], self._container)
        if target is None:
            raise JobFailure(ErrorCode.FORMAT_UNAVAILABLE, f"no sound for {self._container}")
        if not target.arguments:
            return [], info
        try:
            return self._write_audio(info, target.arguments, target.extension)
        except FAILURES:
            if self._container is not Container.ANY or target.extension == info["ext"]:
                raise
            return self._write_audio(info, target.arguments, info["ext"])  # the original container supports it

    def _write_audio(self, info: Info, words: list[str], extension: str) -> Result:
        made = Path(info["filepath"]).with_name(f"sound.{extension}")
        self.run_ffmpeg_on(Path(info["filepath"]), made, words)
        return self.replace_file(info, made, extension)
