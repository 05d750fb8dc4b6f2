"""A list of segments that a test serves part by part, in the clear or encrypted."""

from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from support import made
from support.origin.files import Answer, File
from support.origin.site import Site
from support.origin.wire import text

SECONDS = 4
KEY = b"sixteen bytes..."
A_KEY = File("key", KEY, media_type="application/octet-stream")
PAGE = text("<html><body>Please wait</body></html>", "html")


@cache
def segments() -> tuple[bytes, ...]:
    """One a second."""
    folder = made.folder(
        *made.picture(seconds=SECONDS), *made.sound(seconds=SECONDS), *made.X264, *made.AAC,
        "-hls_time", "1", "-hls_playlist_type", "vod", "list.m3u8",
    )  # fmt: skip
    return tuple((folder / f"list{number}.ts").read_bytes() for number in range(SECONDS))


def encrypt(segment: bytes, number: int) -> bytes:
    """As RFC 8216 §4.3.2.4 has it without an IV."""
    padder, encryptor = PKCS7(128).padder(), Cipher(AES(KEY), CBC(number.to_bytes(16, "big"))).encryptor()
    return encryptor.update(padder.update(segment) + padder.finalize()) + encryptor.finalize()


@dataclass
class Hls:
    """On a site; what is put at a segment's or the key's path takes the place of what belongs there."""

    site: Site
    encrypted: bool = False
    key_address: str = "key"

    def put(self, **instead: list[Answer]) -> str:
        """The list's address. By name: `s0` to `s3`, `key`."""
        lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXT-X-PLAYLIST-TYPE:VOD"]
        lines += [f'#EXT-X-KEY:METHOD=AES-128,URI="{self.key_address}"'] if self.encrypted else []
        for number in range(SECONDS):
            lines += ["#EXTINF:1.0,", f"s{number}.ts"]
            self.site.put(f"/s{number}.ts", *instead.get(f"s{number}", [self.segment(number)]))
        self.site.put("/key", *instead.get("key", [A_KEY]))
        return self.site.put("/list.m3u8", text("\n".join([*lines, "#EXT-X-ENDLIST", ""]), "hls"))

    def segment(self, number: int) -> File:
        """What belongs there."""
        return File("s.ts", encrypt(segments()[number], number) if self.encrypted else segments()[number])
