"""Detects downloaded streams that are text: playlists and scripts that would have ffmpeg read other files or URLs.

ffmpeg decides by a file's content, not by its name; so does this check, which comes first.
"""

from pathlib import Path

from vidferry_worker.children.text_content import HEAD, is_text

__all__ = ["HEAD", "is_text", "is_text_file"]


def is_text_file(path: Path) -> bool:
    """Whether a file begins with text; an empty one does not."""
    with path.open("rb") as file:
        return is_text(file.read(HEAD))
