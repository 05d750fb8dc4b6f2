"""Keys and encrypted segments of HLS, and what comes in their place."""

from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest

from support.children import download
from support.command_line import yt_dlp
from support.ffmpeg import ffprobe
from support.hls_sites import A_KEY, KEY, PAGE, SECONDS, Hls, encrypt
from support.origin.files import Answer
from support.origin.site import Site
from support.origin.wire import Body, Reply, text
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.patches.fragment_keys import decrypt_segment, read_data
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
IV = bytes(16)
CUT = Reply(200, {"Content-Type": "video/mp2t"}, Body(encrypt(b"x" * 4000, 2)[:-5]))
NO_KEYS: dict[str, tuple[Answer, ErrorCode]] = {
    "a page": (PAGE, ErrorCode.ORIGIN_ERROR),
    "too long": (text("01" * 16), ErrorCode.ORIGIN_ERROR),
    "nothing": (text(""), ErrorCode.ORIGIN_ERROR),
    "gone": (Reply(404), ErrorCode.ORIGIN_ERROR),
    "refused": (Reply(403), ErrorCode.REFUSED),
    "for members": (Reply(401), ErrorCode.LOGIN_REQUIRED),
}


@pytest.mark.parametrize("case", NO_KEYS)
async def test_what_is_no_key(case: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    answer, code = NO_KEYS[case]
    outcome = await download(zygote, tmp_path, Hls(site, encrypted=True).put(key=[answer]))

    assert outcome.failure == code, outcome.events[-1]


@pytest.mark.parametrize("passing", [Reply(404), Reply(503), Reply(429, {"Retry-After": "1"})])
async def test_a_key_that_is_away_for_a_moment(passing: Reply, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, Hls(site, encrypted=True).put(key=[passing, A_KEY]))

    assert float(ffprobe(outcome.file)["format"]["duration"]) == pytest.approx(SECONDS, abs=0.2)
    assert len(site.settled("/key")) == 2


@pytest.mark.parametrize("data", ["application/octet-stream;base64," + b64encode(KEY).decode(), "," + quote(KEY)])
async def test_a_key_in_the_list_itself(data: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, Hls(site, encrypted=True, key_address=f"data:{data}").put())

    assert float(ffprobe(outcome.file)["format"]["duration"]) == pytest.approx(SECONDS, abs=0.2)


def test_one_that_can_not_be_read_is_the_origins_error() -> None:
    with pytest.raises(JobFailure) as caught:
        read_data("data:;base64,x")

    assert caught.value.code is ErrorCode.ORIGIN_ERROR


async def test_a_segment_that_ends_within_a_block(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, Hls(site, encrypted=True).put(s2=[CUT]))

    assert outcome.failure == ErrorCode.ORIGIN_ERROR, outcome.events[-1]


@pytest.mark.parametrize("instead", [{"key": [PAGE]}, {"s2": [CUT]}], ids=["key", "segment"])
def test_yt_dlp_by_itself_breaks_over_them(instead: dict[str, list[Answer]], site: Site, tmp_path: Path) -> None:
    """Once it does not, the patch can go."""
    done = yt_dlp(tmp_path, "-v", "-o", "media.mp4", Hls(site, encrypted=True).put(**instead))

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
