"""yt-dlp's options and format selectors, made from typed fields only: no text of a caller becomes an option."""

from typing import Any

from vidferry_common.contract.formats import Container, Format, Quality

UNKNOWN_EXTENSION = "unknown_video"
"""yt-dlp's extension for a video whose URL and media type have none"""


def _codec_filter(field: str, names: str) -> str:
    """A filter for formats whose codec begins with one of these names."""
    return f"[{field}~='^({names})']"


def _or_unknown(filters: str) -> str:
    return filters.replace("~=", "~=?")


def _or_none(sound: str) -> str:
    """An audio filter that also accepts formats without audio."""
    return sound.replace("'^(", "'^(none|")


H264 = _codec_filter("vcodec", "avc|h264")
AAC = _codec_filter("acodec", r"mp4a(?!.40.34|.6[9bB]|.[aA][569])|aac")
"""mp4a is more than AAC: 40.34, 69 and 6B are MP3, A5 and A6 AC-3, A9 DTS (RFC 6381 §3.3, mp4ra.org)"""
MP4_VIDEO = _codec_filter("vcodec", "avc|h264|hvc1|hev1|h265|hevc|dvh|av01|av1|vp9|vp09|mp4v")
MP4_AUDIO = _codec_filter("acodec", "mp4a|aac|mp3|e?ac-?3|ec-3|opus|alac|flac")
WEBM_VIDEO = _codec_filter("vcodec", "vp8|vp9|vp09|vp08|av01|av1")
WEBM_AUDIO = _codec_filter("acodec", "opus|vorbis")


def base_options() -> dict[str, Any]:
    """The options of every download."""
    return {
        "quiet": True,
        "noprogress": True,
        "color": "never",
        "outtmpl": {"default": "media.%(ext)s"},
        "cachedir": False,
        "proxy": "",  # ignore the environment's proxy
        "noplaylist": True,
        "playlist_items": "1",
        "skip_unavailable_fragments": False,  # a missing segment is a failure
        "retries": 3,
        "fragment_retries": 3,
        "extractor_retries": 1,
        "writethumbnail": True,
        "updatetime": False,
        "overwrites": True,
        "hls_use_mpegts": False,
    }


def format_selector(fmt: Format) -> str:
    """yt-dlp's format selector: the first alternative that the source has is taken.

    format_selection.py limits the size. yt-dlp's `b` also takes video without audio where the source has none at all.
    """
    if fmt.quality is Quality.AUDIO:
        return "/".join(_audio_selectors(fmt.container))
    everywhere = [] if fmt.quality is Quality.BEST else _playable_everywhere()
    match fmt.container:
        case Container.MP4:
            chosen = everywhere + _mp4_selectors()
        case Container.WEBM:
            chosen = [
                *_video_with_audio(WEBM_VIDEO, WEBM_AUDIO),
                *(
                    f"b[ext={ending}]{_or_unknown(WEBM_VIDEO + WEBM_AUDIO)}"
                    for ending in ("webm", "mkv", UNKNOWN_EXTENSION)
                ),
                f"b{WEBM_VIDEO}{_or_unknown(_or_none(WEBM_AUDIO))}",
            ]
        case Container.ANY:
            chosen = [*everywhere, "bv*+ba", "b", "bv*"]
        case _:
            chosen = ["bv*+ba", "b", "bv*"]
    return "/".join(chosen)


def _video_with_audio(video: str, audio: str) -> list[str]:
    """Selectors for the best video with audio, in one format or in two."""
    return [f"bv*{video}{_or_none(audio)}+ba{audio}", f"b{video}{_or_none(audio)}"]


def _playable_everywhere() -> list[str]:
    """Selectors for what every player plays: H.264, with AAC where there is some."""
    return [each for audio in (AAC, _or_unknown(AAC), MP4_AUDIO) for each in _video_with_audio(H264, audio)]


def _mp4_selectors() -> list[str]:
    """Selectors for what MP4 supports. Unknown codecs come last; containers.py checks them after the download."""
    return [
        *_video_with_audio(MP4_VIDEO, MP4_AUDIO),
        "b[ext=mp4]",
        f"bv{MP4_VIDEO}+ba{_or_unknown(MP4_AUDIO)}",
        f"b{MP4_VIDEO}{_or_unknown(_or_none(MP4_AUDIO))}",
        f"bv[ext=mp4]{_or_unknown(MP4_VIDEO)}+ba{_or_unknown(MP4_AUDIO)}",
        f"b{_or_unknown(MP4_VIDEO)}{_or_unknown(_or_none(MP4_AUDIO))}",
    ]


def _audio_selectors(container: Container) -> list[str]:
    """Selectors for audio. `b` also takes what claims to be video alone: some lists forget the audio that is in it."""
    if container is Container.M4A:
        aac = _or_unknown(AAC)
        return [f"ba{AAC}", f"ba[ext=m4a]{aac}", f"b{AAC}", f"ba{aac}", f"b{_or_none(aac)}"]
    everywhere = [f"ba{AAC}"] if container is Container.ANY else []
    return [*everywhere, "ba", "b"]


def merge_output_format(fmt: Format) -> str | None:
    """The container that streams are merged into; None leaves it to what fits them."""
    return fmt.container.value if fmt.container in {Container.MP4, Container.WEBM, Container.MKV} else None
