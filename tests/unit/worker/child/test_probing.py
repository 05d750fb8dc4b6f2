import pytest
from yt_dlp import YoutubeDL

from support.origin import media
from vidferry_worker.child.probing import probe_file


@pytest.mark.usefixtures("worker_environment")
@pytest.mark.parametrize(
    ("name", "tells_length_first"), [("clip.mp4", True), ("clip.webm", True), ("hls/v720/seg000.ts", False)]
)
def test_which_formats_tell_their_length_first(name: str, tells_length_first: bool) -> None:
    with YoutubeDL({"quiet": True}) as downloader:
        assert probe_file(downloader, media.folder() / name).tells_length_first is tells_length_first
