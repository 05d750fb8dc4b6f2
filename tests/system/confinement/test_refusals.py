"""Guards with yt-dlp's or ffmpeg's own refusals behind them: it is they that refuse, and say why."""

from pathlib import Path

import pytest
from yt_dlp.networking.exceptions import TransportError

from support.children import download
from support.origin.site import Site
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import options, request_limits, site_downloader
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
OTHERS = [
    "file:///etc/passwd", "concat:/etc/passwd", "subfile,,:/etc/passwd", "data:video/mp4;base64,AAAA",
    "ftp://127.0.0.1:1/x", "tcp://127.0.0.1:1", "rtmp://127.0.0.1:1/x", "rtsp://127.0.0.1:1/x", "ws://127.0.0.1:1/x",
]  # fmt: skip


@pytest.mark.parametrize("address", [*OTHERS, f"http://127.0.0.1:1/{'x' * request_limits.MAX_URL}"])
def test_yt_dlp_is_asked_for_no_other_scheme_and_no_endless_address(address: str) -> None:
    with site_downloader.SiteDownloader(options.base_options()) as downloader, pytest.raises(TransportError) as refused:
        downloader.urlopen(address)

    cause = refused.value.cause
    assert isinstance(cause, JobFailure)
    assert cause.code is ErrorCode.UNSUPPORTED_STREAM


@pytest.mark.parametrize("scheme", ["file", "concat", "ftp", "tcp", "ws"])
async def test_a_pages_stream_of_another_scheme_is_not_begun(
    scheme: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, site.url(f"/page?src={scheme}://127.0.0.1:1/x.mp4"))

    assert outcome.failure == ErrorCode.UNSUPPORTED_STREAM
    assert f"protocol {scheme}" in outcome.events[-1]["detail"]
    assert outcome.of("found") == []


async def test_a_playlist_in_the_guise_of_media_is_known_before_ffmpeg_sees_it(
    zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, site.url("/disguised/clip.mp4"))

    assert outcome.failure == ErrorCode.UNSUPPORTED_STREAM
    assert "is a playlist" in outcome.events[-1]["detail"]
