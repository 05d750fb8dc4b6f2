"""yt-dlp's options, from typed fields only: nothing of a caller's text becomes an option."""

from typing import Any

from vidferry_common.contract.formats import Container, Format, Quality

H264 = "[vcodec~='^(avc1|h264)']"
AAC = "[acodec~='^(mp4a|aac)']"
MP4_VIDEO = "[vcodec~='^(avc1|h264|hvc1|hev1|h265|av01|vp9|vp09)']"
MP4_AUDIO = "[acodec~='^(mp4a|aac|mp3|ac-3|ec-3|opus)']"
MP4_VIDEO_OR_UNTOLD, MP4_AUDIO_OR_UNTOLD = (each.replace("~=", "~=?") for each in (MP4_VIDEO, MP4_AUDIO))
WEBM_VIDEO = "[vcodec~='^(vp8|vp9|vp09|vp08|av01)']"
WEBM_AUDIO = "[acodec~='^(opus|vorbis)']"


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
    """yt-dlp's format selector; the first alternative that the source has is taken."""
    if fmt.quality is Quality.AUDIO:
        return _select_audio(fmt.container)
    at_most = f"[height<=?{fmt.quality.lines}]" if fmt.quality.lines else ""
    everywhere = [f"bv{H264}{at_most}+ba{AAC}", f"b{H264}{AAC}{at_most}"]
    anything = [f"bv*{at_most}+ba", f"b{at_most}", f"bv*{at_most}"]
    match fmt.container:
        case Container.MP4:
            held = [
                f"bv{MP4_VIDEO}{at_most}+ba{MP4_AUDIO}",
                f"b{MP4_VIDEO}{MP4_AUDIO}{at_most}",
                f"b[ext=mp4]{at_most}",
                f"bv{MP4_VIDEO}{at_most}+ba{MP4_AUDIO_OR_UNTOLD}",
                f"bv*{MP4_VIDEO}{at_most}",
                f"bv[ext=mp4]{MP4_VIDEO_OR_UNTOLD}{at_most}+ba{MP4_AUDIO_OR_UNTOLD}",
            ]
            chosen = held if fmt.quality is Quality.BEST else everywhere + held
        case Container.WEBM:
            chosen = [
                f"bv{WEBM_VIDEO}{at_most}+ba{WEBM_AUDIO}",
                f"b[ext=webm]{at_most}",
                f"bv*{WEBM_VIDEO}{at_most}",
            ]
        case Container.ANY if fmt.quality is not Quality.BEST:
            chosen = everywhere + anything
        case _:
            chosen = anything
    return "/".join(chosen)


def _select_audio(container: Container) -> str:
    if container is Container.M4A:
        return f"ba{AAC}/ba[ext=m4a]/b{AAC}/ba/b/b*"  # what turns out to be no AAC is refused when it is here
    return "ba/b/b*"


def merge_container(fmt: Format) -> str | None:
    """The container that streams are merged into; None leaves it to what fits them."""
    return fmt.container.value if fmt.container in {Container.MP4, Container.WEBM, Container.MKV} else None
