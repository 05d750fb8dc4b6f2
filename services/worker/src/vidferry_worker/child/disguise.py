"""Downloaded streams that are no media: playlists and scripts by which ffmpeg would read other files, or a network.

ffmpeg decides by a file's content, not by its name; so does this, before ffmpeg sees it.
"""

import re
from pathlib import Path

HEAD = 2048
"""bytes that are looked at"""

# HLS, ffmpeg's concat and metadata, DASH and other XML, PLS, SDP, QuickTime's and Real's references.
_MARKS = re.compile(
    rb"(#EXTM3U|#EXT-X-|ffconcat|;FFMETADATA|<\?xml|<MPD|<SMIL|<ASX|<WVX|<!DOCTYPE|<HTML|\[playlist\]|\[reference\]"
    rb"|v=0\r?\n|RTSPtext|RTSP://|RTMPT?://|file ['\"])",
    re.IGNORECASE,
)
_BLANK = b"\xef\xbb\xbf \t\r\n\0"
_BINARY = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def is_text(head: bytes) -> bool:
    """Whether a file that begins so is a text, which no picture and no sound is."""
    if _MARKS.match(head.lstrip(_BLANK)):
        return True
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # else the head's end cut a character
            return False
        text = head[: error.start].decode()
    return bool(text.strip()) and not _BINARY.search(text)


def is_disguised(path: Path) -> bool:
    """As is_text, of a file; an empty one is none."""
    with path.open("rb") as file:
        return is_text(file.read(HEAD))
