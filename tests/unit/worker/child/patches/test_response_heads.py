"""Heads of answers that http.client does not read by itself."""

from http.client import HTTPMessage
from pathlib import Path

import pytest

from support import made
from support.children import download
from support.command_line import yt_dlp
from support.origin.files import File
from support.origin.site import Site
from support.origin.wire import Body, Reply
from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.child.interim_responses import MOST_INTERIM, unite_lengths
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"


def clip(before: bytes = b"", *more: tuple[str, str]) -> Reply:
    return Reply(200, {"Content-Type": "video/mp4"}, Body(made.clip()), before=before, more_headers=more)


def told_twice() -> Reply:
    return clip(b"", ("Content-Length", str(len(made.clip()))))


HEADS = {"interim": clip(PROCESSING + HINTS), "told twice": told_twice()}


@pytest.mark.parametrize("head", HEADS)
async def test_the_answer_is_read(head: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, site.put("/clip.mp4", HEADS[head]))

    assert outcome.file.read_bytes() == made.clip()


async def test_a_page_whose_length_is_told_twice_has_an_end(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """On a connection that stays open."""
    site.put("/clip.mp4", File("clip.mp4", made.clip()))
    page = b'<video src="clip.mp4"></video>'
    twice = (("Content-Length", str(len(page))),)
    url = site.put("/page", Reply(200, {"Content-Type": "text/html"}, Body(page), more_headers=twice))
    outcome = await download(zygote, tmp_path, url, stall_seconds=5)

    assert outcome.file.read_bytes() == made.clip()


@pytest.mark.parametrize("head", HEADS)
def test_yt_dlp_by_itself_fails_at_it(head: str, site: Site, tmp_path: Path) -> None:
    """Once it does not, the patch can go."""
    assert yt_dlp(tmp_path, "-o", "media.mp4", site.put("/clip.mp4", HEADS[head])).returncode


@pytest.mark.parametrize(
    "reply",
    [clip(PROCESSING * (MOST_INTERIM + 1)), clip(b"", ("Content-Length", "7")), clip(b"SSH-2.0-OpenSSH\r\n")],
    ids=["no-answer", "two-lengths", "no-http"],
)
async def test_what_is_no_head_is_the_origins_error(reply: Reply, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, site.put("/clip.mp4", reply))

    assert outcome.failure == ErrorCode.ORIGIN_ERROR, outcome.events[-1]


@pytest.mark.parametrize(
    ("told", "united"), [(["5"], ["5"]), (["5", "5"], ["5"]), (["5, 5"], ["5"]), (["5", "6"], ["5", "6"]), ([], None)]
)
def test_equal_lengths_are_one(told: list[str], united: list[str] | None) -> None:
    headers = HTTPMessage()
    for each in told:
        headers.add_header("Content-Length", each)
    unite_lengths(headers)

    assert headers.get_all("Content-Length") == united
