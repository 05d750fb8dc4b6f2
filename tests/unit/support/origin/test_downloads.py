"""Real yt-dlp against each kind of page and stream."""

import json
from pathlib import Path
from typing import Any

import pytest

from support import ffmpeg
from support.origin import TITLES, Site, media
from unit.support.origin.conftest import YtDlp


def test_probe_of_a_file_is_closed_at_its_headers(site: Site, yt_dlp: YtDlp) -> None:
    status, _, errors = yt_dlp.run([site.url("/media/clip.mp4")], "--simulate", known_sites=True)
    assert status == 0, errors
    (probe,) = site.settled()
    assert (probe.status, probe.length, probe.closed_early) == (200, media.CLIP_BYTES, True)
    assert probe.sent < media.CLIP_BYTES // 4


FILES = {
    "/media/clip.webm": "clip.webm",
    "/other/clip.mp4": "other.mp4",
    "/chunked/clip.mp4": "clip.mp4",
    "/flaky/clip.mp4?times=1&after=1&key=k": "clip.mp4",
    "/short/clip.mp4?times=2": "clip.mp4",
    "/page": "clip.mp4",
    "/redirect?to=media/clip.webm": "clip.webm",
}


def test_files_arrive_whole(site: Site, yt_dlp: YtDlp) -> None:
    made = yt_dlp.download([site.url(path) for path in FILES], "--retries", "2")
    for (path, name), file in zip(FILES.items(), made, strict=True):
        assert file.read_bytes() == media.read(name), path
    assert [one.status for one in site.settled("/flaky/clip.mp4")] == [200, 503, 200]
    # The probe and the first download were cut; what was missing came as a range.
    assert [one.status for one in site.settled("/short/clip.mp4")] == [200, 200, 206]


def test_video_and_sound_are_merged(site: Site, yt_dlp: YtDlp) -> None:
    paths = ("/hls/master.m3u8", "/dash/manifest.mpd", "/page-hls")
    for made in yt_dlp.download([site.url(path) for path in paths]):
        assert ffmpeg.kinds(made) == ["audio", "video"]
        assert _heights(made) == [720]
        assert ffmpeg.duration(made) == pytest.approx(media.SECONDS, abs=0.3)


def test_smaller_height_can_be_chosen(site: Site, yt_dlp: YtDlp) -> None:
    (made,) = yt_dlp.download([site.url("/hls/master.m3u8")], "-f", "bv[height<=360]+ba")
    assert _heights(made) == [360]
    assert site.settled("/hls/v720/seg000.ts") == []


def test_page_tells_title_and_picture(site: Site, yt_dlp: YtDlp) -> None:
    urls = [site.url(f"/page?title={name}") for name in TITLES]
    status, out, errors = yt_dlp.run(urls, "--dump-json", "--simulate", known_sites=True)
    assert status == 0, errors
    found: dict[str, dict[str, Any]] = {one["webpage_url"]: one for one in map(json.loads, out.splitlines())}
    # The extractor numbers the players of a page, also where there is one.
    assert {url: found[url]["title"] for url in urls} == {
        url: f"{title} (1)" for url, title in zip(urls, TITLES.values(), strict=True)
    }
    assert found[urls[0]]["thumbnail"] == site.url("/thumb.jpg")
    assert site.settled("/media/") == []


def test_page_with_two_players_is_a_playlist(site: Site, yt_dlp: YtDlp) -> None:
    url = site.url("/page?src=media/clip.mp4&src=other/clip.mp4")
    status, out, errors = yt_dlp.run([url], "--flat-playlist", "--print", "%(playlist_count)s")
    assert (status, out.split()) == (0, ["2", "2"]), errors


def test_live_is_seen_as_live(site: Site, yt_dlp: YtDlp) -> None:
    status, out, errors = yt_dlp.run([site.url("/live.m3u8")], "--simulate", "--print", "live_status")
    assert (status, out.strip()) == (0, "is_live"), errors


FAILURES = {
    "/status/403": "403: Forbidden",
    "/status/404": "404: Not Found",
    "/status/410": "410: Gone",
    "/status/429": "429: Too Many Requests",
    "/status/500": "500: Internal Server Error",
    "/page-empty": "Unsupported URL",
    "/short/clip.mp4": "bytes read",
    "/hls-missing/v360/index.m3u8": "fragment 3 not found",
}


def test_failures_are_told(site: Site, yt_dlp: YtDlp) -> None:
    urls = [site.url(path) for path in FAILURES]
    options = ("--ignore-errors", "--abort-on-unavailable-fragments", "--fragment-retries", "1", "--retries", "1")
    status, _, errors = yt_dlp.run(urls, *options)
    assert status == 1
    assert [said for said in FAILURES.values() if said not in errors] == []
    assert list(yt_dlp.home.glob("*.mp4")) == []


def test_killed_download_is_noticed_at_the_gate(site: Site, yt_dlp: YtDlp) -> None:
    process = yt_dlp.start([site.url("/gated/g/clip.mp4")])
    site.gate("g").wait_held()
    assert process.poll() is None
    process.kill()
    process.communicate(timeout=20)
    held = site.settled("/gated/g/clip.mp4")[-1]
    assert (held.sent, held.closed_early) == (media.CLIP_BYTES // 2, True)


def test_download_is_held_half_way(site: Site, yt_dlp: YtDlp) -> None:
    with yt_dlp.start([site.url("/gated/g/clip.mp4")], "--no-resize-buffer") as process:
        site.gate("g").wait_held()
        assert process.poll() is None
        site.gate("g").open()
        process.communicate(timeout=60)
    assert process.returncode == 0
    (made,) = yt_dlp.home.iterdir()
    assert made.read_bytes() == media.read("clip.mp4")


def test_stream_is_held_at_a_segment(site: Site, yt_dlp: YtDlp) -> None:
    path = "/gated-hls/g/v720/3"
    with yt_dlp.start([site.url(f"{path}/master.m3u8")]) as process:
        site.gate("g").wait_held()
        done = [exchange.path for exchange in site.requests(f"{path}/v720/") if exchange.ended]
        assert done == [f"{path}/v720/{name}" for name in ("index.m3u8", "seg000.ts", "seg001.ts", "seg002.ts")]
        site.gate("g").open()
        process.communicate(timeout=60)
    assert process.returncode == 0
    (made,) = yt_dlp.home.iterdir()
    assert ffmpeg.kinds(made) == ["audio", "video"]


def _heights(file: Path) -> list[int]:
    return [stream["height"] for stream in ffmpeg.ffprobe(file)["streams"] if stream["codec_type"] == "video"]
