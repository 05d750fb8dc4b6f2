"""What comes for a segment is one, or the download fails: nothing is left out without a word."""

from pathlib import Path

import pytest

from support.children import download
from support.command_line import yt_dlp
from support.ffmpeg import ffprobe
from support.hls_sites import PAGE, SECONDS, Hls
from support.origin.files import Answer
from support.origin.site import Site
from support.origin.wire import Body, Reply, text
from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
EMPTY = Reply(200, {"Content-Type": "video/mp2t"})
CHUNKED = Reply(200, {"Content-Type": "video/mp2t"}, Body(b"", chunked=True))
WRONG: dict[str, Answer] = {
    "page": PAGE,
    "text in the guise of media": text('{"error": "token expired"}', "video/mp2t"),
    "nothing": EMPTY,
    "nothing, in chunks": CHUNKED,
}


def duration(file: Path) -> float:
    return float(ffprobe(file)["format"]["duration"])


@pytest.mark.parametrize(("wrong", "encrypted"), [("page", False), ("page", True), ("nothing", False)])
async def test_what_is_no_segment_fails_the_download(
    wrong: str, encrypted: bool, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, Hls(site, encrypted).put(s2=[WRONG[wrong]]))

    assert outcome.failure == ErrorCode.ORIGIN_ERROR, outcome.events[-1]
    assert len(site.settled("/s2.ts")) == 4


async def test_a_list_in_the_place_of_a_segment_is_final(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, Hls(site).put(s2=[text("#EXTM3U\n#EXTINF:1,\ns.ts\n", "video/mp2t")]))

    assert outcome.failure == ErrorCode.UNSUPPORTED_STREAM, outcome.events[-1]
    assert len(site.settled("/s2.ts")) == 1


@pytest.mark.parametrize("wrong", WRONG)
async def test_it_is_asked_for_again(wrong: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    hls = Hls(site)
    outcome = await download(zygote, tmp_path, hls.put(s3=[WRONG[wrong], hls.segment(3)]))

    assert duration(outcome.file) == pytest.approx(SECONDS, abs=0.2)


def test_yt_dlp_by_itself_leaves_it_out(site: Site, tmp_path: Path) -> None:
    """Once it does not, the patch can go."""
    done = yt_dlp(tmp_path, "-o", "media.mp4", "--abort-on-unavailable-fragments", Hls(site).put(s3=[PAGE]))

    assert done.returncode == 0
    assert duration(tmp_path / "media.mp4") == pytest.approx(SECONDS - 1, abs=0.2)
