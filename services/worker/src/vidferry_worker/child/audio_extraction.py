"""The file that a sound goes into as it is, by its codec; only MP3 is ever encoded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vidferry_common.contract.formats import Container
from vidferry_worker.child import containers

SOUND_FILES = frozenset(
    {
        "mp3", "flac", "wav", "w64", "aiff", "caf", "ogg", "ac3", "eac3", "dts", "truehd", "amr", "ape", "wv", "tta",
        "dsf", "au", "asf",
    }
)  # fmt: skip
"""ffmpeg's demuxers of files that are usual for sound alone"""
FILES = {
    "aac": "m4a", "alac": "m4a", "mp3": "mp3", "opus": "opus", "vorbis": "ogg", "speex": "ogg", "flac": "flac",
    "wmav1": "wma", "wmav2": "wma", "wmapro": "wma", "wmalossless": "wma", "wmavoice": "wma",
}  # fmt: skip
"""The usual file of a codec, by its ending."""
ANYTHING = "mka"
"""Matroska holds what has no file of its own that players know."""
WAV = frozenset(
    {
        "pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_alaw", "pcm_mulaw", "adpcm_ms",
        "adpcm_ima_wav",
    }
)  # fmt: skip
SAME_SAMPLES = {
    "pcm_s16be": "pcm_s16le", "pcm_s24be": "pcm_s24le", "pcm_s32be": "pcm_s32le", "pcm_f32be": "pcm_f32le",
    "pcm_f64be": "pcm_f64le", "pcm_s8": "pcm_u8", "pcm_dvd": "pcm_s24le", "pcm_bluray": "pcm_s24le",
}  # fmt: skip
"""PCM that WAV has in another order of bytes: each sample keeps its value."""
MAX_WAV = 4 * 1024**3 - 1024**2
"""bytes: lengths in a WAV have 32 bits"""
LOSSLESS = frozenset({"flac", "alac", "ape", "wavpack", "tta", "truehd", "mlp", "wmalossless"})
BEST_MP3 = ["-b:a", "320k"]
GOOD_MP3 = ["-q:a", "0"]
"""LAME's V0: of what has lost something already, no more is lost that can be heard"""


@dataclass(frozen=True, slots=True)
class Target:
    """The file that a sound becomes; without words its file stays as it is."""

    extension: str
    words: list[str]
    """for ffmpeg, between its input and its output"""


def target(facts: Mapping[str, Any], extension: str, container: Container) -> Target | None:
    """What the main sound of a file becomes, by what ffprobe tells of the file; None where that can't be given."""
    streams = [each for each in facts.get("streams", []) if not containers.is_cover(each)]
    main = containers.main([each for each in streams if each.get("codec_type") == "audio"])
    if main is None:
        return None
    codec, told = str(main.get("codec_name")), facts.get("format", {})
    if len(streams) == 1 and _is_such_a_file(told, codec, extension, container):
        return Target(extension, [])
    if container is Container.M4A and codec != "aac":
        return None
    if container is Container.MP3:
        ending, encoding = "mp3", _mp3(codec)
    else:
        ending, encoding = _as_it_is(codec, int(told.get("size") or 0))
    return Target(ending, ["-map", f"0:{main['index']}", "-vn", "-sn", "-dn", *encoding])


def _is_such_a_file(told: Mapping[str, Any], codec: str, extension: str, container: Container) -> bool:
    """Whether a file with nothing but a sound, which ffprobe describes so, is what was asked for."""
    names = set(str(told.get("format_name")).split(","))
    if container is Container.MP3:
        return codec == "mp3" and "mp3" in names
    in_m4a = "mov" in names and extension == "m4a" and told.get("tags", {}).get("major_brand") != "qt  "
    if container is Container.M4A:
        return codec == "aac" and in_m4a
    return bool(names & SOUND_FILES) or in_m4a or ("matroska" in names and extension == "mka")


def _mp3(codec: str) -> list[str]:
    if codec == "mp3":
        return ["-c", "copy"]
    lossless = codec in LOSSLESS or codec.startswith(("pcm_", "dsd_"))
    return ["-c:a", "libmp3lame", *(BEST_MP3 if lossless else GOOD_MP3)]


def _as_it_is(codec: str, size: int) -> tuple[str, list[str]]:
    if size <= MAX_WAV and codec in WAV:
        return "wav", ["-c", "copy"]
    if size <= MAX_WAV and codec in SAME_SAMPLES:
        return "wav", ["-c:a", SAME_SAMPLES[codec]]
    return FILES.get(codec, ANYTHING), ["-c", "copy"]
