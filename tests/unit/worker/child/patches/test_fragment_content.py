"""What comes for a segment is one, or the download fails: nothing is left out without a word."""

from pathlib import Path

import pytest

from support import ffmpeg, hls
from support.children import download
from support.command_line import yt_dlp
from support.origin.files import Answer
from support.origin.site import Site
from support.origin.wire import Body, Reply, text
from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
PAGE = text("<html><body>Please wait</body></html>", "html")
NOTHING = Reply(200, {"Content-Type": "video/mp2t"})
IN_CHUNKS = Reply(200, {"Content-Type": "video/mp2t"}, Body(b"", chunked=True))
JSON = text('{"error": "token expired"}', "video/mp2t")


@pytest.mark.parametrize(("wrong", "key_url"), [(PAGE, "key"), (NOTHING, "")], ids=["page", "nothing"])
async def test_what_is_no_segment_fails_the_download(
    wrong: Answer, key_url: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, hls.put_clip(site, key_url=key_url, s2=[wrong]))

    assert outcome.failure == ErrorCode.ORIGIN_ERROR, outcome.events[-1]
    assert len(site.settled("/s2.ts")) == 4


async def test_a_list_in_the_place_of_a_segment_is_final(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    url = hls.put_clip(site, s2=[text("#EXTM3U\n#EXTINF:1,\ns.ts\n", "video/mp2t")])
    outcome = await download(zygote, tmp_path, url)

    assert outcome.failure == ErrorCode.UNSUPPORTED_STREAM, outcome.events[-1]
    assert len(site.settled("/s2.ts")) == 1


@pytest.mark.parametrize("wrong", [JSON, IN_CHUNKS], ids=["text in the guise of media", "nothing, in chunks"])
async def test_it_is_asked_for_again(wrong: Answer, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, hls.put_clip(site, s3=[wrong, hls.clip_segment(3)]))

    assert ffmpeg.duration(outcome.file) == pytest.approx(hls.SECONDS, abs=0.2)


def test_yt_dlp_by_itself_leaves_it_out(site: Site, tmp_path: Path) -> None:
    """Once it does not, the patch can go."""
    done = yt_dlp(tmp_path, "-o", "media.mp4", "--abort-on-unavailable-fragments", hls.put_clip(site, s3=[PAGE]))

    assert done.returncode == 0
    assert ffmpeg.duration(tmp_path / "media.mp4") == pytest.approx(hls.SECONDS - 1, abs=0.2)
