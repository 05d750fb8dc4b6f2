"""Checks that the whole video has arrived: the durations that its playlists announce against those ffprobe finds.

Each stream is compared with its own playlist, and only a shorter one is a failure. The duration that a site states for
the video is ignored, since it is often wrong. Files without a duration in their header are not compared: ffprobe
estimates it from their size, or from the last timestamp, which may have restarted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import expected_duration
from vidferry_worker.child.expected_duration import ExpectedDuration, Info
from vidferry_worker.child.probing import ProbedFile

AUDIO_TOLERATED_SHARE = 0.1
"""Audio may end this much before the video, where both are one stream of which only the audio is kept."""
_COMPARED = frozenset({"mov", "matroska", "ogg", "flac", "wav", "gif"})


@dataclass(slots=True)
class CompletenessCheck:
    """Compares a download's file with the announced durations. HLS announces them only when a stream is fetched."""

    _expected: dict[str, ExpectedDuration] = field(default_factory=dict)

    def note_playlist(self, playlist: str, info: Info) -> None:
        """Takes a stream's HLS media playlist."""
        if expected := expected_duration.from_hls_playlist(playlist):
            self._expected[str(info.get("format_id"))] = expected

    def check_file(
        self, probed: ProbedFile, streams: Sequence[Info], *, source: ProbedFile | None = None, made_mp3: bool = False
    ) -> None:
        """JobFailure where the file lacks one of the chosen streams, or a part of it.

        source is the file that the audio was extracted from, if it was. made_mp3: ffmpeg has written an MP3, whose
        header then has the duration.
        """
        compared = probed.container in _COMPARED or (made_mp3 and probed.container == "mp3")
        for stream in streams:
            kind = stream_kind(stream)
            if len(streams) > 1 and kind and not any(one.kind == kind for one in probed.streams):
                raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"the {kind} that was chosen is not in the file")
            seconds = find_duration(probed, kind) if compared else None
            if seconds is None:
                continue
            if kind is None and not probed.has_video:
                seconds = max(seconds / (1 - AUDIO_TOLERATED_SHARE), duration_before_extraction(source))
            listed = self._expected.get(str(stream.get("format_id"))) or expected_duration.from_fragments(stream)
            for expected in (listed, expected_duration.from_whole_manifest(listed, stream)):
                arrived = seconds if expected is None or expected.of_each else longest_duration(probed)
                if expected and arrived is not None and expected.missed_by(arrived):
                    raise JobFailure(expected.code, f"of {expected.seconds} s only {arrived} arrived")


def stream_kind(stream: Info) -> str | None:
    """`video` or `audio` of a stream with only that, else None."""
    has = {name for name, codec in (("video", "vcodec"), ("audio", "acodec")) if stream.get(codec) != "none"}
    return has.pop() if len(has) == 1 else None


def find_duration(probed: ProbedFile, kind: str | None) -> float | None:
    """Seconds of the longest stream of a kind in the file; of any kind where kind is None."""
    durations = [one.duration for one in probed.streams if one.duration is not None and kind in {None, one.kind}]
    return max(durations, default=probed.duration)


def longest_duration(probed: ProbedFile) -> float | None:
    """Seconds of the longest stream, None for audio alone: its video, which is in another file, may be longer."""
    return find_duration(probed, None) if probed.has_video else None


def duration_before_extraction(source: ProbedFile | None) -> float:
    """Seconds of the file that the audio was extracted from, whose video may be longer; 0 where unknown."""
    return (find_duration(source, None) or 0.0) if source and source.container in _COMPARED else 0.0


def lacks_audio(probed: ProbedFile, streams: Sequence[Info], formats: Sequence[Info]) -> bool:
    """Whether a DASH stream without codecs was taken for video with audio, though its manifest has audio apart."""
    untold = len(streams) == 1 and not streams[0].get("acodec") and _is_dash(streams[0], "video")
    silent = all(one.kind == "video" for one in probed.streams)
    return untold and silent and any(_is_dash(each, "audio") for each in formats)


def _is_dash(stream: Info, kind: str) -> bool:
    return str(stream.get("format_note")).startswith(f"DASH {kind}")
