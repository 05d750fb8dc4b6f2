"""HLS lists that a test writes itself, with segments that ffmpeg has made, in the clear or encrypted."""

from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from support import made
from support.origin.files import Answer, File
from support.origin.site import Site
from support.origin.wire import text

TS = ("-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod", "-hls_segment_filename", "s%d.ts")
FRAGMENTED = (
    "-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod", "-hls_segment_type", "fmp4",
    "-hls_fmp4_init_filename", "init.mp4", "-hls_segment_filename", "s%d.m4s",
)  # fmt: skip
TYPES = {".ts": "video/mp2t", ".m4s": "video/iso.segment", ".mp4": "video/mp4"}
SECONDS = 4
HEAD = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n"
END = "#EXT-X-ENDLIST\n"
NAMES = [f"s{number}.ts" for number in range(SECONDS)]
KEY = b"sixteen bytes..."
KEY_FILE = File("key", KEY, media_type="application/octet-stream")


def video(form: tuple[str, ...] = TS, *more: str) -> Path:
    """The folder with the segments of a clip of four seconds, one second each: `s0.ts`, or `init.mp4`, `s0.m4s`."""
    return made.folder(
        *made.picture(seconds=SECONDS), *made.sound(seconds=SECONDS), *made.X264, *made.AAC, *more, *form, "l.m3u8"
    )


def tone(hertz: int, form: tuple[str, ...] = TS) -> Path:
    """The same of sound alone, a tone by which it is known."""
    return made.folder(*made.sound(hertz, SECONDS), *made.AAC, *form, "l.m3u8")


def put_folder(site: Site, path: str, folder: Path) -> None:
    """Has the site serve the segments of a folder under that path."""
    for each in folder.iterdir():
        if media_type := TYPES.get(each.suffix):
            site.put(f"{path}/{each.name}", File(each.name, each.read_bytes(), media_type=media_type))


def put_list(site: Site, path: str, content: str, kind: str = "hls") -> str:
    """Has the site serve a list there; its address."""
    return site.put(path, text(content, kind))


def segments(names: list[str], before: str = "") -> str:
    """A list's lines of these segments, one second each; each with that before it."""
    return "".join(f"{before}#EXTINF:1.0,\n{name}\n" for name in names)


def a_list(names: list[str], *, head: str = "", end: str = END) -> str:
    """A media playlist of these segments."""
    return f"{HEAD}{head}{segments(names)}{end}"


def encrypt(content: bytes, number: int) -> bytes:
    """As AES-128 has the segment of that number, or of that IV (RFC 8216 §4.3.2.4)."""
    padder, encryptor = PKCS7(128).padder(), Cipher(AES(KEY), CBC(number.to_bytes(16, "big"))).encryptor()
    return encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()


def put_clip(site: Site, *, key_url: str = "", **instead: list[Answer]) -> str:
    """Has the site serve the clip as a list, encrypted where a key's address is told; the list's address.

    What is given as `s0` to `s3` or as `key` takes the place of what belongs there.
    """
    for number in range(SECONDS):
        site.put(f"/s{number}.ts", *instead.get(f"s{number}", [clip_segment(number, encrypted=bool(key_url))]))
    site.put("/key", *instead.get("key", [KEY_FILE]))
    head = f'#EXT-X-KEY:METHOD=AES-128,URI="{key_url}"\n' if key_url else ""
    return put_list(site, "/list.m3u8", a_list(NAMES, head=head))


def clip_segment(number: int, *, encrypted: bool = False) -> File:
    """A segment of the clip."""
    content = (video() / f"s{number}.ts").read_bytes()
    return File("s.ts", encrypt(content, number) if encrypted else content)
