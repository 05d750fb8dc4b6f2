"""Whether all that was announced of a video has arrived: what its lists say, against what ffprobe finds in the file.

Each stream is compared with its own list, and only less counts. What a site tells of the whole is no list, and often
untrue. Files that tell no length in their beginning are not compared: ffprobe guesses it from their size, or from the
last of time stamps that begin anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import expected_duration
from vidferry_worker.child.expected_duration import Announced, Info
from vidferry_worker.child.probing import Probed

SOUND_TOLERATED_SHARE = 0.1
"""So much earlier than its picture sound may end, where both are one stream of which only the sound is kept."""
_COMPARED = frozenset({"mov", "matroska", "ogg", "flac", "wav", "gif"})


@dataclass(slots=True)
class Announcements:
    """The lengths that the lists of a download's streams announce; HLS tells them only when the stream is fetched."""

    _of: dict[str, Announced] = field(default_factory=dict)

    def note_playlist(self, playlist: str, info: Info) -> None:
        """Takes the HLS media playlist of a stream."""
        if told := expected_duration.of_playlist(playlist):
            self._of[str(info.get("format_id"))] = told

    def check(
        self, probed: Probed, streams: Sequence[Info], *, came: Probed | None = None, made_mp3: bool = False
    ) -> None:
        """JobFailure where the file lacks one of the chosen streams, or a part of it.

        came is the file that its sound was taken out of, if it was. made_mp3 says that ffmpeg has written an MP3, which
        then tells its length.
        """
        compared = probed.container in _COMPARED or (made_mp3 and probed.container == "mp3")
        for stream in streams:
            kind = kind_of(stream)
            if len(streams) > 1 and kind and not any(one.kind == kind for one in probed.streams):
                raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"the {kind} that was chosen is not in the file")
            seconds = duration_of(probed, kind) if compared else None
            if seconds is None:
                continue
            if kind is None and not probed.has_video:
                seconds = max(seconds / (1 - SOUND_TOLERATED_SHARE), seconds_before(came))
            listed = self._of.get(str(stream.get("format_id"))) or expected_duration.of_fragments(stream)
            for told in (listed, expected_duration.beyond(listed, stream)):
                arrived = seconds if told is None or told.of_each else longest_of(probed)
                if told and arrived is not None and told.missed_by(arrived):
                    raise JobFailure(told.code, f"of {told.seconds} s only {arrived} arrived")


def kind_of(stream: Info) -> str | None:
    """`video` or `audio` of a stream that is that alone, None of others."""
    has = {name for name, codec in (("video", "vcodec"), ("audio", "acodec")) if stream.get(codec) != "none"}
    return has.pop() if len(has) == 1 else None


def duration_of(probed: Probed, kind: str | None) -> float | None:
    """Seconds of a stream in the file, of the longest one where any will do."""
    told = [one.duration for one in probed.streams if one.duration is not None and kind in {None, one.kind}]
    return max(told, default=probed.duration)


def longest_of(probed: Probed) -> float | None:
    """Seconds of the longest stream, None of a file of sound alone: its picture, which is elsewhere, may be longer."""
    return duration_of(probed, None) if probed.has_video else None


def seconds_before(came: Probed | None) -> float:
    """Of a file that a sound was taken out of: its picture may be longer. 0 where that is not told."""
    return (duration_of(came, None) or 0.0) if came and came.container in _COMPARED else 0.0


def lacks_sound(probed: Probed, streams: Sequence[Info], formats: Sequence[Info]) -> bool:
    """Whether a DASH stream that tells no codecs was taken for complete, though its manifest has sound apart."""
    untold = len(streams) == 1 and not streams[0].get("acodec") and _is_dash(streams[0], "video")
    silent = all(one.kind == "video" for one in probed.streams)
    return untold and silent and any(_is_dash(each, "audio") for each in formats)


def _is_dash(stream: Info, kind: str) -> bool:
    return str(stream.get("format_note")).startswith(f"DASH {kind}")
