"""The file that extracted audio is written to, by its codec. Audio is copied; only MP3 is ever encoded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vidferry_common.contract.formats import Container
from vidferry_worker.child import containers

AUDIO_DEMUXERS = frozenset(
    {
        "mp3", "flac", "wav", "w64", "aiff", "caf", "ogg", "ac3", "eac3", "dts", "truehd", "amr", "ape", "wv", "tta",
        "dsf", "au", "asf",
    }
)  # fmt: skip
"""ffmpeg's demuxers of file types that are common for audio alone"""
EXTENSIONS = {
    "aac": "m4a", "alac": "m4a", "mp3": "mp3", "opus": "opus", "vorbis": "ogg", "speex": "ogg", "flac": "flac",
    "wmav1": "wma", "wmav2": "wma", "wmapro": "wma", "wmalossless": "wma", "wmavoice": "wma",
}  # fmt: skip
"""The usual file extension for a codec."""
FALLBACK_EXTENSION = "mka"
"""Matroska, for codecs without a usual file type of their own"""
WAV_CODECS = frozenset(
    {
        "pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_alaw", "pcm_mulaw", "adpcm_ms",
        "adpcm_ima_wav",
    }
)  # fmt: skip
WAV_EQUIVALENTS = {
    "pcm_s16be": "pcm_s16le", "pcm_s24be": "pcm_s24le", "pcm_s32be": "pcm_s32le", "pcm_f32be": "pcm_f32le",
    "pcm_f64be": "pcm_f64le", "pcm_s8": "pcm_u8", "pcm_dvd": "pcm_s24le", "pcm_bluray": "pcm_s24le",
}  # fmt: skip
"""PCM codecs that WAV supports in another byte order: each sample keeps its value."""
MAX_WAV_BYTES = 4 * 1024**3 - 1024**2
"""bytes: WAV has 32-bit lengths"""
LOSSLESS_CODECS = frozenset({"flac", "alac", "ape", "wavpack", "tta", "truehd", "mlp", "wmalossless"})
BEST_MP3 = ["-b:a", "320k"]
GOOD_MP3 = ["-q:a", "0"]
"""LAME's V0, for lossy sources: no audible loss is added"""


@dataclass(frozen=True, slots=True)
class AudioTarget:
    """The file that the audio becomes. Without arguments, the downloaded file stays as it is."""

    extension: str
    arguments: list[str]
    """for ffmpeg, between its input and its output"""


def plan_extraction(facts: Mapping[str, Any], extension: str, container: Container) -> AudioTarget | None:
    """How to extract the main audio of a file, by ffprobe's report; None where the container doesn't support it."""
    streams = [each for each in facts.get("streams", []) if not containers.is_cover(each)]
    main = containers.main_stream([each for each in streams if each.get("codec_type") == "audio"])
    if main is None:
        return None
    codec, container_report = str(main.get("codec_name")), facts.get("format", {})
    if len(streams) == 1 and _is_wanted_file(container_report, codec, extension, container):
        return AudioTarget(extension, [])
    if container is Container.M4A and codec != "aac":
        return None
    if container is Container.MP3:
        ending, encoding = "mp3", _mp3_encoding(codec)
    else:
        ending, encoding = _lossless_target(codec, int(container_report.get("size") or 0))
    return AudioTarget(ending, ["-map", f"0:{main['index']}", "-vn", "-sn", "-dn", *encoding])


def _is_wanted_file(container_report: Mapping[str, Any], codec: str, extension: str, container: Container) -> bool:
    """Whether a file with only one audio stream, which ffprobe describes so, already is what was requested."""
    names = set(str(container_report.get("format_name")).split(","))
    if container is Container.MP3:
        return codec == "mp3" and "mp3" in names
    in_m4a = "mov" in names and extension == "m4a" and container_report.get("tags", {}).get("major_brand") != "qt  "
    if container is Container.M4A:
        return codec == "aac" and in_m4a
    return bool(names & AUDIO_DEMUXERS) or in_m4a or ("matroska" in names and extension == "mka")


def _mp3_encoding(codec: str) -> list[str]:
    if codec == "mp3":
        return ["-c", "copy"]
    lossless = codec in LOSSLESS_CODECS or codec.startswith(("pcm_", "dsd_"))
    return ["-c:a", "libmp3lame", *(BEST_MP3 if lossless else GOOD_MP3)]


def _lossless_target(codec: str, size: int) -> tuple[str, list[str]]:
    if size <= MAX_WAV_BYTES and codec in WAV_CODECS:
        return "wav", ["-c", "copy"]
    if size <= MAX_WAV_BYTES and codec in WAV_EQUIVALENTS:
        return "wav", ["-c:a", WAV_EQUIVALENTS[codec]]
    return EXTENSIONS.get(codec, FALLBACK_EXTENSION), ["-c", "copy"]
