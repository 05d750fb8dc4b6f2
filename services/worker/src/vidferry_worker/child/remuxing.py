"""yt-dlp's postprocessors that move a finished download into the container that was asked for, or a sound out of it."""

import re
from pathlib import Path
from typing import Any

from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor, FFmpegPostProcessorError

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.formats import Container
from vidferry_worker.child import audio_extraction, containers, probing

Info = dict[str, Any]
Result = tuple[list[str], Info]
STAMPED = ["-fflags", "+genpts"]
"""AVI has no presentation times, which Matroska and MP4 want."""
FAILURES = (FFmpegPostProcessorError, JobFailure)
_NOT_HELD = re.compile(r"tag (?:found )?for codec|not (?:currently )?supported in container")
"""ffmpeg's words for a codec that a container has no name for"""
COVER = "cover.picture"
"""the file of a cover on its way"""


class _MoverPP(FFmpegPostProcessor):  # type: ignore[misc]  # yt-dlp publishes no types
    def __init__(self, downloader: Any, container: Container) -> None:
        super().__init__(downloader)
        self._container = container

    def move(self, path: Path, target: Path, words: list[str]) -> None:
        """Runs ffmpeg; JobFailure where the container doesn't hold a codec."""
        try:
            self.real_run_ffmpeg([(str(path), STAMPED)], [(str(target), words)])
        except FFmpegPostProcessorError as error:
            failure = error
        else:
            return
        target.unlink(missing_ok=True)
        if _NOT_HELD.search(self._downloader.said):  # raised here, it is not taken for what caused it
            raise JobFailure(ErrorCode.FORMAT_UNAVAILABLE, f"{target.suffix} doesn't hold a codec")
        raise failure

    def facts(self, path: Path) -> Info:
        """What ffprobe tells of a file; JobFailure where it is no media."""
        try:
            told: Info = self.get_metadata_object(str(path))
        except ValueError as error:
            raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"ffprobe told nothing: {error}") from error
        if not any(each.get("codec_type") in {"video", "audio"} for each in told.get("streams", [])):
            raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, "the file holds neither picture nor sound")
        return told

    def replace(self, info: Info, made: Path, extension: str) -> Result:
        """Has the file that was made take the place of the one that came; what of that is to be deleted."""
        came = Path(info["filepath"])
        target = came.with_name(f"media.{extension}")
        made.replace(target)
        info["filepath"], info["ext"] = str(target), extension
        return [] if came in {target, made} else [str(came)], info


class PutIntoContainerPP(_MoverPP):
    """Moves streams into the container that was asked for: JobFailure where it doesn't hold them."""

    def run(self, info: Info) -> Result:
        came = Path(info["filepath"])
        if containers.is_already(came, self._container):
            return self._named(info, came)
        move = containers.plan(self.facts(came)["streams"], self._container)
        if move is None:
            raise JobFailure(ErrorCode.FORMAT_UNAVAILABLE, f"{self._container} doesn't hold the streams")
        made = came.with_name(f"moved.{move.extension}")
        cover = self._attachment(came, move)
        try:
            self.move(came, made, [*move.words, *cover])
        except FAILURES:
            if not move.has_text:
                raise
            self.move(came, made, [*move.without_text, *cover])  # it may be a subtitle that can't be read
        came.with_name(COVER).unlink(missing_ok=True)
        return self.replace(info, made, move.extension)

    def _named(self, info: Info, came: Path) -> Result:
        fits = {"mkv", "mka"} if self._container is Container.MKV else {self._container.value}
        return ([], info) if info["ext"] in fits else self.replace(info, came, self._container.value)

    def _attachment(self, came: Path, move: containers.Move) -> list[str]:
        """The words for the cover; none where it can't be read."""
        if move.cover is None:
            return []
        index, codec = move.cover
        picture = came.with_name(COVER)
        try:
            self.move(came, picture, ["-map", f"0:{index}", "-c", "copy", "-frames:v", "1", "-f", "image2pipe"])
        except FAILURES:
            return []
        return containers.attach(picture, codec)


class TakeSoundPP(_MoverPP):
    """Takes the sound out of a file: JobFailure where there is none of the wanted kind."""

    came: probing.Probed | None = None
    """the file, once it is here"""

    def run(self, info: Info) -> Result:
        facts = self.facts(Path(info["filepath"]))
        self.came = probing.read(facts)
        target = audio_extraction.target(facts, info["ext"], self._container)
        if target is None:
            raise JobFailure(ErrorCode.FORMAT_UNAVAILABLE, f"no sound for {self._container}")
        if not target.words:
            return [], info
        try:
            return self._moved(info, target.words, target.extension)
        except FAILURES:
            if self._container is not Container.ANY or target.extension == info["ext"]:
                raise
            return self._moved(info, target.words, info["ext"])  # what it came in holds it

    def _moved(self, info: Info, words: list[str], extension: str) -> Result:
        made = Path(info["filepath"]).with_name(f"sound.{extension}")
        self.move(Path(info["filepath"]), made, words)
        return self.replace(info, made, extension)
