"""Downloaded streams that are no media: playlists and scripts by which ffmpeg would read other files, or a network.

ffmpeg decides by a file's content, not by its name; so does this, before ffmpeg sees it.
"""

from pathlib import Path

from vidferry_worker.children.text_content import HEAD, is_text

__all__ = ["HEAD", "is_disguised", "is_text"]


def is_disguised(path: Path) -> bool:
    """As is_text, of a file; an empty one is none."""
    with path.open("rb") as file:
        return is_text(file.read(HEAD))
