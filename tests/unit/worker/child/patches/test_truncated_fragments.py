"""Fragments that are cut, among others that are whole."""

from pathlib import Path

import pytest

from support import command_line, hls
from support.children import download
from support.origin.files import File
from support.origin.site import Site
from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.child.patches.truncated_fragments import is_truncated
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio


def put(site: Site, cut: str) -> str:
    """A playlist of which one fragment has lost its second half."""
    folder = hls.video(hls.FRAGMENTED)
    hls.put_folder(site, "", folder)
    data = (folder / cut).read_bytes()
    site.put(f"/{cut}", File(cut, data[: len(data) // 2]))
    names = [f"s{number}.m4s" for number in range(hls.SECONDS)]
    return hls.put_list(site, "/list.m3u8", hls.a_list(names, head='#EXT-X-MAP:URI="init.mp4"\n'))


@pytest.mark.parametrize(("name", "fragments"), [("s1.m4s", 1), ("s3.m4s", 4)])
async def test_a_cut_fragment_is_its_origins_error(
    name: str, fragments: int, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    """Whether they come one by one or side by side."""
    outcome = await download(zygote, tmp_path, put(site, name), fragments=fragments)

    assert outcome.failure == ErrorCode.ORIGIN_ERROR, outcome.events[-1]
    assert "is cut" in outcome.events[-1]["detail"]


def test_yt_dlp_by_itself_still_puts_a_cut_one_among_the_others(site: Site, tmp_path: Path) -> None:
    done = command_line.yt_dlp(tmp_path, "-o", "made.%(ext)s", put(site, "s1.m4s"))

    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("made.*"))) == 1


@pytest.mark.parametrize(
    ("content", "cut"),
    [
        (b"", False),
        (b"G" * 188, False),
        (b"\0\0\0\x10mdat12345678", False),
        (b"\0\0\0\x10mdat1234567", True),
        (b"\0\0\0\x10mdat12345678\r\n", False),
        (b"\0\0\0\0mdat1234", False),  # to the end
        (b"\0\0\0\1mdat\0\0\0\0\0\0\0\x2012345678", True),
        (b"\0\0\0\x08styp\0\0\0\x20sidx1234", False),  # the range of a beginning is often told too long
    ],
)
def test_boxes(content: bytes, cut: bool) -> None:
    assert is_truncated(content) is cut
