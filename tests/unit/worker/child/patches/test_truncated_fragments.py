"""Fragments that are cut, among others that are whole."""

from pathlib import Path

import pytest

from support import command_line, ffmpeg, made
from support.children import download
from support.made import AAC, X264, picture, sound
from support.origin.files import File
from support.origin.site import Site
from support.origin.wire import text
from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.child.patches.truncated_fragments import is_truncated
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
NAMES = ["s0.m4s", "s1.m4s", "s2.m4s", "s3.m4s"]


def segment(name: str) -> bytes:
    home = made.folder(
        *picture(seconds=4), *sound(seconds=4), *X264, *AAC, "-f", "hls", "-hls_time", "1", "-hls_segment_type", "fmp4",
        "-hls_fmp4_init_filename", "init.mp4", "-hls_segment_filename", "s%d.m4s", "list.m3u8",
    )  # fmt: skip
    return (home / name).read_bytes()


def put(site: Site, cut: str) -> str:
    """A playlist of which one segment has lost its second half."""
    for name in NAMES:
        data = segment(name)
        site.put(f"/{name}", File(name, data[: len(data) // 2] if name == cut else data))
    site.put("/init.mp4", File("init.mp4", segment("init.mp4")))
    entries = "".join(f"#EXTINF:1.0,\n{name}\n" for name in NAMES)
    head = '#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-MAP:URI="init.mp4"\n'
    return site.put("/list.m3u8", text(f"{head}{entries}#EXT-X-ENDLIST\n", "application/vnd.apple.mpegurl"))


@pytest.mark.parametrize("name", ["s0.m4s", "s1.m4s", "s3.m4s"])
@pytest.mark.parametrize("fragments", [1, 4])
async def test_a_cut_fragment_is_its_origins_error(
    name: str, fragments: int, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    """Whether they come one by one or side by side."""
    outcome = await download(zygote, tmp_path, put(site, name), fragments=fragments)

    assert outcome.failure == ErrorCode.ORIGIN_ERROR, outcome.events[-1]
    assert "is cut" in outcome.events[-1]["detail"]


async def test_whole_ones_are_put_together(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, put(site, cut="none"))

    assert ffmpeg.duration(outcome.file) == pytest.approx(4, abs=0.2)


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
