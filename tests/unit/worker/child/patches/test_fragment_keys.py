"""Keys and encrypted segments of HLS, and what comes in their place."""

from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest

from support import ffmpeg, hls
from support.children import download
from support.command_line import yt_dlp
from support.hls import KEY, encrypt
from support.origin.files import Answer
from support.origin.site import Site
from support.origin.wire import Body, Reply, text
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.patches.fragment_keys import decrypt_segment, read_data
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
IV = bytes(16)
PAGE = text("<html><body>Please wait</body></html>", "html")
CUT = Reply(200, {"Content-Type": "video/mp2t"}, Body(encrypt(b"x" * 4000, 2)[:-5]))
NO_KEYS: dict[str, tuple[Answer, ErrorCode]] = {
    "a page": (PAGE, ErrorCode.ORIGIN_ERROR),
    "nothing": (text(""), ErrorCode.ORIGIN_ERROR),
    "gone": (Reply(404), ErrorCode.ORIGIN_ERROR),
    "refused": (Reply(403), ErrorCode.REFUSED),
}


@pytest.mark.parametrize("case", NO_KEYS)
async def test_what_is_no_key(case: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    answer, code = NO_KEYS[case]
    outcome = await download(zygote, tmp_path, hls.put_clip(site, key_url="key", key=[answer]))

    assert outcome.failure == code, outcome.events[-1]


async def test_a_key_that_is_away_for_a_moment(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    url = hls.put_clip(site, key_url="key", key=[Reply(404), Reply(503), hls.KEY_FILE])
    outcome = await download(zygote, tmp_path, url)

    assert ffmpeg.duration(outcome.file) == pytest.approx(hls.SECONDS, abs=0.2)
    assert len(site.settled("/key")) == 3


async def test_a_key_in_the_list_itself(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    url = hls.put_clip(site, key_url="data:application/octet-stream;base64," + b64encode(KEY).decode())
    outcome = await download(zygote, tmp_path, url)

    assert ffmpeg.duration(outcome.file) == pytest.approx(hls.SECONDS, abs=0.2)
    assert read_data(f"data:,{quote(KEY)}") == KEY


def test_one_that_can_not_be_read_is_the_origins_error() -> None:
    with pytest.raises(JobFailure) as caught:
        read_data("data:;base64,x")

    assert caught.value.code is ErrorCode.ORIGIN_ERROR


async def test_a_segment_that_ends_within_a_block(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, hls.put_clip(site, key_url="key", s2=[CUT]))

    assert outcome.failure == ErrorCode.ORIGIN_ERROR, outcome.events[-1]


def test_yt_dlp_by_itself_breaks_over_it(site: Site, tmp_path: Path) -> None:
    """Once it does not, the patch can go."""
    done = yt_dlp(tmp_path, "-v", "-o", "media.mp4", hls.put_clip(site, key_url="key", s2=[CUT]))

    assert "ValueError" in done.stderr


def test_padding_is_taken_away_where_it_is_some() -> None:
    assert decrypt_segment(encrypt(b"segment", 0), KEY, IV) == b"segment"
    assert decrypt_segment(encrypt(b"x" * 16, 0), KEY, IV) == b"x" * 16
    assert decrypt_segment(encrypt(b"x" * 32, 0)[:16], KEY, IV) == b"x" * 16, "without padding"


@pytest.mark.parametrize(("content", "iv"), [(b"", IV), (bytes(17), IV), (bytes(16), b"short")])
def test_what_cannot_be_decrypted_is_the_origins_error(content: bytes, iv: bytes) -> None:
    with pytest.raises(JobFailure) as caught:
        decrypt_segment(content, KEY, iv)

    assert caught.value.code is ErrorCode.ORIGIN_ERROR
