"""DASH manifests for tests, and the media that they name: made by ffmpeg, as packagers make them."""

from support import made
from support.origin.files import File
from support.origin.site import Site
from support.origin.wire import text

MPD = "urn:mpeg:dash:schema:mpd:2011"
FRAGMENTED = ("-movflags", "+dash+global_sidx+frag_keyframe+default_base_moof")
SECONDS = 2


def mpd(*periods: str, seconds: float | None = SECONDS, more: str = "", head: str = "") -> str:
    """A manifest of these periods; head comes before them."""
    told = "" if seconds is None else f'mediaPresentationDuration="PT{seconds}S"'
    return f'<MPD xmlns="{MPD}" type="static" {told} {more}>{head}{"".join(periods)}</MPD>'


def period(*sets: str, more: str = "", head: str = "") -> str:
    return f"<Period {more}>{head}{''.join(sets)}</Period>"


def video(inner: str, codecs: str = "avc1.42c00d", head: str = "", more: str = "", name: str = "v") -> str:
    """An adaptation set of one picture."""
    told = f'codecs="{codecs}"' if codecs else ""
    size = 'bandwidth="300000" width="320" height="240"'
    return (
        f'<AdaptationSet mimeType="video/mp4" {more}>{head}'
        f'<Representation id="{name}" {told} {size}>{inner}</Representation></AdaptationSet>'
    )


def audio(inner: str, codecs: str = "mp4a.40.2", head: str = "", more: str = "", name: str = "a") -> str:
    """An adaptation set of one sound."""
    told = f'codecs="{codecs}"' if codecs else ""
    return (
        f'<AdaptationSet mimeType="audio/mp4" {more}>{head}'
        f'<Representation id="{name}" {told} bandwidth="64000">{inner}</Representation></AdaptationSet>'
    )


def base(address: str) -> str:
    return f"<BaseURL>{address}</BaseURL>"


def role(value: str, element: str = "Role", scheme: str = "urn:mpeg:dash:role:2011") -> str:
    return f'<{element} schemeIdUri="{scheme}" value="{value}"/>'


LOCK = '<ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cenc"/>'


def picture_file(*more: str) -> bytes:
    """One file with an index of its fragments; more are options of the encoder."""
    return made.file("v.mp4", *made.picture(seconds=SECONDS), *made.X264, *more, *FRAGMENTED)


def sound_file(tone: int = 440, *more: str) -> bytes:
    return made.file("a.mp4", *made.sound(tone, SECONDS), *made.AAC, *more, *FRAGMENTED)


def put_files(site: Site, folder: str = "") -> None:
    """A picture at v.mp4, sound at a.mp4 and other sound at b.mp4, each one file."""
    site.put(f"{folder}/v.mp4", File("v.mp4", picture_file()))
    site.put(f"{folder}/a.mp4", File("a.mp4", sound_file()))
    site.put(f"{folder}/b.mp4", File("b.mp4", sound_file(660)))


def put_manifest(site: Site, manifest: str, path: str = "/clip.mpd") -> str:
    return site.put(path, text(manifest, "dash"))
