"""Recognises files that are text: playlists and scripts that make ffmpeg read other files, web pages, and any other.

The child checks before ffmpeg reads a file, the parent before it stores one. Standard library only: both load this.
"""

import re

HEAD = 2048
"""bytes of a file that are checked"""

# HLS, ffmpeg's concat and metadata, DASH and other XML, PLS, SDP, QuickTime's and Real's references.
_MARKS = re.compile(
    rb"(#EXTM3U|#EXT-X-|ffconcat|;FFMETADATA|<\?xml|<MPD|<SMIL|<ASX|<WVX|<!DOCTYPE|<HTML|\[playlist\]|\[reference\]"
    rb"|v=0\r?\n|RTSPtext|RTSP://|RTMPT?://|file ['\"])",
    re.IGNORECASE,
)
_BLANK = b"\xef\xbb\xbf \t\r\n\0"
_BINARY = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def is_reference(head: bytes) -> bool:
    """Whether a file with that beginning may lead to other files: a playlist, a manifest or a page."""
    return bool(_MARKS.match(head.lstrip(_BLANK)))


def is_text(head: bytes) -> bool:
    """Whether a file with that beginning is text, which no media file is."""
    if is_reference(head):
        return True
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # otherwise the end of the head cuts a character
            return False
        text = head[: error.start].decode()
    return bool(text.strip()) and not _BINARY.search(text)
