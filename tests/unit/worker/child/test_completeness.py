"""Never less than the lists say: what has arrived against what was announced."""

from pathlib import Path

import pytest

from support import ffmpeg, hls, made
from support.children import download
from support.dash_manifests import audio, base, mpd, period, put_files, put_manifest, sound_file, video
from support.origin.files import File
from support.origin.site import Site
from unit.worker.child.test_expected_duration import fragments
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import completeness
from vidferry_worker.child.probing import ProbedFile, ProbedStream
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio


def put_list(site: Site, lines: str, folder: Path | None = None) -> str:
    hls.put_folder(site, "", folder or hls.video())
    return hls.put_list(site, "/list.m3u8", f"{hls.HEAD}{lines}{hls.END}")


@pytest.mark.parametrize("fmt", ["1080-any", "audio-mp3"])
async def test_what_is_shorter_than_its_list_is_not_done(fmt: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, put_list(site, hls.segments(hls.NAMES).replace("1.0", "3.0")), fmt)

    assert outcome.failure == ErrorCode.ORIGIN_ERROR, outcome.events[-1]


@pytest.mark.parametrize(
    ("lines", "fmt", "seconds"),
    [
        (hls.segments(hls.NAMES), "audio-mp3", 4),
        (f"{hls.segments(hls.NAMES[2:])}#EXT-X-DISCONTINUITY\n{hls.segments(hls.NAMES[:2])}", "best-mkv", 4),
        (f"{hls.segments(hls.NAMES[:1])}#UPLYNK-SEGMENT:a,00000000,ad\n{hls.segments(hls.NAMES[1:])}", "1080-any", 1),
    ],
    ids=["sound", "stamps-that-begin-anew", "without-advertisements"],
)
async def test_what_is_whole_is(
    lines: str, fmt: str, seconds: float, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, put_list(site, lines), fmt)

    assert ffmpeg.duration(outcome.file) == pytest.approx(seconds, abs=0.2)


async def test_a_manifest_that_says_more_than_its_files_hold(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    put_files(site)
    manifest = mpd(period(video(base("v.mp4")), audio(base("a.mp4"))), seconds=8)
    outcome = await download(zygote, tmp_path, put_manifest(site, manifest))

    assert outcome.failure == ErrorCode.ORIGIN_ERROR, outcome.events[-1]


@pytest.mark.parametrize("fmt", ["audio-any", "audio-mp3"])
async def test_the_sound_of_a_video_that_goes_on_without(fmt: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """Both are in the same segments: whether all have come is told by the picture."""
    folder = made.folder(*made.picture(seconds=4), *made.sound(), *made.X264, *made.AAC, *hls.TS, "l.m3u8")
    outcome = await download(zygote, tmp_path, put_list(site, hls.segments(hls.NAMES), folder), fmt)

    assert ffmpeg.duration(outcome.file) == pytest.approx(2, abs=0.2)


async def test_a_sound_that_ends_before_its_picture(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    put_files(site)
    site.put("/a.mp4", File("a.mp4", sound_file(440, "-t", "1")))
    manifest = mpd(period(video(base("v.mp4")), audio(base("a.mp4"))))
    outcome = await download(zygote, tmp_path, put_manifest(site, manifest))

    assert ffmpeg.duration(outcome.file) == pytest.approx(2, abs=0.2)


VIDEO, AUDIO = ProbedStream("video", "h264", 60.0), ProbedStream("audio", "aac", 50.0)
BOTH: dict[str, str] = {}
PICTURE, SOUND = {"acodec": "none"}, {"vcodec": "none"}


@pytest.mark.parametrize(
    ("container", "inside", "chosen", "code"),
    [
        ("mov", [VIDEO, AUDIO], [(BOTH, 60)], None),
        ("mov", [VIDEO, AUDIO], [(BOTH, 70)], ErrorCode.ORIGIN_ERROR),
        ("mov", [VIDEO, AUDIO], [(PICTURE, 60), (SOUND, 50)], None),  # each by its own list
        ("mov", [VIDEO, AUDIO], [(PICTURE, 60), (SOUND, 60)], ErrorCode.ORIGIN_ERROR),
        ("mov", [VIDEO], [(PICTURE, 60), (SOUND, 50)], ErrorCode.UNSUPPORTED_STREAM),
        ("mov", [AUDIO], [(PICTURE, 60), (SOUND, 50)], ErrorCode.UNSUPPORTED_STREAM),
        ("mov", [AUDIO], [(BOTH, 55)], None),  # the sound of both may end earlier
        ("mov", [AUDIO], [(BOTH, 60)], ErrorCode.ORIGIN_ERROR),
        ("mpegts", [VIDEO, AUDIO], [(BOTH, 99)], None),  # its stamps may begin anew
        ("gif", [VIDEO], [(BOTH, 99)], ErrorCode.ORIGIN_ERROR),
        ("mp3", [AUDIO], [(SOUND, 99)], None),  # it may tell of its first segment alone
    ],
)  # fmt: skip
def test_each_stream_is_compared_with_its_own_list(
    container: str, inside: list[ProbedStream], chosen: list[tuple[dict[str, str], float]], code: ErrorCode | None
) -> None:
    streams = [{"format_id": str(number), **fragments(seconds, 0.01), **codecs}
               for number, (codecs, seconds) in enumerate(chosen)]  # fmt: skip
    probed = ProbedFile(container, "", 60.0, tuple(inside))
    announcements = completeness.CompletenessCheck()
    if code is None:
        announcements.check_file(probed, streams)
    else:
        with pytest.raises(JobFailure) as failure:
            announcements.check_file(probed, streams)
        assert failure.value.code is code
