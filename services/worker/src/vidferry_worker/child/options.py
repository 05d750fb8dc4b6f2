"""yt-dlp's options, from typed fields only: nothing of a caller's text becomes an option."""

from typing import Any

from vidferry_common.contract.formats import Container, Format, Quality

UNTOLD = "unknown_video"
"""yt-dlp's ending for a video whose address and type tell none"""


def _codec(field: str, names: str) -> str:
    """A filter for formats that tell a codec of these."""
    return f"[{field}~='^({names})']"


def _or_untold(filters: str) -> str:
    return filters.replace("~=", "~=?")


def _or_none(sound: str) -> str:
    """For pictures that may have such a sound themselves."""
    return sound.replace("'^(", "'^(none|")


H264 = _codec("vcodec", "avc|h264")
AAC = _codec("acodec", r"mp4a(?!.40.34|.6[9bB]|.[aA][569])|aac")
"""mp4a is more than AAC: 40.34, 69 and 6B are MP3, A5 and A6 AC-3, A9 DTS (RFC 6381 §3.3, mp4ra.org)"""
MP4_VIDEO = _codec("vcodec", "avc|h264|hvc1|hev1|h265|hevc|dvh|av01|av1|vp9|vp09|mp4v")
MP4_AUDIO = _codec("acodec", "mp4a|aac|mp3|e?ac-?3|ec-3|opus|alac|flac")
WEBM_VIDEO = _codec("vcodec", "vp8|vp9|vp09|vp08|av01|av1")
WEBM_AUDIO = _codec("acodec", "opus|vorbis")


def base() -> dict[str, Any]:
    """What holds for every download."""
    return {
        "quiet": True,
        "noprogress": True,
        "color": "never",
        "outtmpl": {"default": "media.%(ext)s"},
        "cachedir": False,
        "proxy": "",  # the environment's is not for us
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


def select(fmt: Format) -> str:
    """yt-dlp's format selector; the first alternative that the source has is taken. format_selection.py sees to the size.

    yt-dlp's `b` also takes pictures alone where the source has no sound at all.
    """
    if fmt.quality is Quality.AUDIO:
        return "/".join(_sound(fmt.container))
    everywhere = [] if fmt.quality is Quality.BEST else _everywhere()
    match fmt.container:
        case Container.MP4:
            chosen = everywhere + _held_by_mp4()
        case Container.WEBM:
            chosen = [
                *_pictures_and_sound(WEBM_VIDEO, WEBM_AUDIO),
                *(f"b[ext={ending}]{_or_untold(WEBM_VIDEO + WEBM_AUDIO)}" for ending in ("webm", "mkv", UNTOLD)),
                f"b{WEBM_VIDEO}{_or_untold(_or_none(WEBM_AUDIO))}",
            ]
        case Container.ANY:
            chosen = [*everywhere, "bv*+ba", "b", "bv*"]
        case _:
            chosen = ["bv*+ba", "b", "bv*"]
    return "/".join(chosen)


def _pictures_and_sound(video: str, audio: str) -> list[str]:
    """The best of what is complete by itself and what has its sound apart."""
    return [f"bv*{video}{_or_none(audio)}+ba{audio}", f"b{video}{_or_none(audio)}"]


def _everywhere() -> list[str]:
    """H.264, with AAC where there is some."""
    return [each for audio in (AAC, _or_untold(AAC), MP4_AUDIO) for each in _pictures_and_sound(H264, audio)]


def _held_by_mp4() -> list[str]:
    """What turns out to be held by MP4 only when it is here comes last: containers.py has the last word on that."""
    return [
        *_pictures_and_sound(MP4_VIDEO, MP4_AUDIO),
        "b[ext=mp4]",
        f"bv{MP4_VIDEO}+ba{_or_untold(MP4_AUDIO)}",
        f"b{MP4_VIDEO}{_or_untold(_or_none(MP4_AUDIO))}",
        f"bv[ext=mp4]{_or_untold(MP4_VIDEO)}+ba{_or_untold(MP4_AUDIO)}",
        f"b{_or_untold(MP4_VIDEO)}{_or_untold(_or_none(MP4_AUDIO))}",
    ]


def _sound(container: Container) -> list[str]:
    """Also what is told to be pictures alone, where all is: some lists forget the sound, and audio_extraction.py looks at it."""
    if container is Container.M4A:
        aac = _or_untold(AAC)
        return [f"ba{AAC}", f"ba[ext=m4a]{aac}", f"b{AAC}", f"ba{aac}", f"b{_or_none(aac)}"]
    everywhere = [f"ba{AAC}"] if container is Container.ANY else []
    return [*everywhere, "ba", "b"]


def merge_container(fmt: Format) -> str | None:
    """The container that streams are merged into; None leaves it to what fits them."""
    return fmt.container.value if fmt.container in {Container.MP4, Container.WEBM, Container.MKV} else None
