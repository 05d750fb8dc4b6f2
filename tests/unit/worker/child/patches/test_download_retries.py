"""What is told of a transfer that is given up, and how long it pauses before that."""

import subprocess
import sys

import pytest
from yt_dlp import YoutubeDL
from yt_dlp.downloader.common import FileDownloader
from yt_dlp.networking.exceptions import TransportError
from yt_dlp.utils import DownloadError

from vidferry_worker.child.patches.download_retries import FIRST_PAUSE, PartMissing, file_pause, fragment_pause

PATCHED = """
from yt_dlp import YoutubeDL
from yt_dlp.downloader.common import FileDownloader
from yt_dlp.networking.exceptions import TransportError
from vidferry_worker.child.patches import download_retries
download_retries.install()
with YoutubeDL({"quiet": True}) as ydl:
    for more in ({}, {"frag_index": 3}):
        try:
            FileDownloader(ydl, {}).report_retry(TransportError("reset"), 4, 3, **more)
        except Exception as error:
            print(type(error).__name__, error.exc_info[1], error)
    print(type(ydl.first_failure).__name__)
"""


def test_pauses_grow_and_a_file_is_gone_on_with_at_once() -> None:
    assert [fragment_pause(n) for n in range(3)] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert [file_pause(n) for n in range(3)] == [0, FIRST_PAUSE, 2 * FIRST_PAUSE]


def test_the_cause_comes_along() -> None:
    done = subprocess.run([sys.executable, "-c", PATCHED], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == [
        "DownloadError reset reset. Giving up after 3 retries",
        "PartMissing reset reset. Giving up after 3 retries",
        "DownloadError",
    ]
    assert issubclass(PartMissing, DownloadError)


def test_yt_dlp_by_itself_tells_a_sentence_alone() -> None:
    """Once it tells the cause, the patch can go."""
    with YoutubeDL({"quiet": True}) as ydl, pytest.raises(DownloadError) as caught:
        FileDownloader(ydl, {}).report_retry(TransportError("reset"), 4, 3)

    assert caught.value.exc_info[1] is None
