"""Files that are text: playlists and scripts by which ffmpeg would read other files, pages, and all that people write.

The child looks for them before ffmpeg sees a file, the parent before it hands one out. Standard library only: both load
this.
"""

import re

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


def is_reference(head: bytes) -> bool:
    """Whether a file that begins so may lead to other files: a playlist, a description or a page."""
    return bool(_MARKS.match(head.lstrip(_BLANK)))


def is_text(head: bytes) -> bool:
    """Whether a file that begins so is a text, which no picture and no sound is."""
    if is_reference(head):
        return True
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # else the head's end cut a character
            return False
        text = head[: error.start].decode()
    return bool(text.strip()) and not _BINARY.search(text)
