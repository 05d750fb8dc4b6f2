"""Manifests of several periods: one file of all of them, or a failure that says so; never one for the whole."""

import struct
from pathlib import Path

import pytest

from support import made
from support.children import Outcome, download
from support.dash_manifests import audio, base, mpd, period, picture_file, put_manifest, sound_file, video
from support.ffmpeg import ffmpeg, ffprobe, finish
from support.origin.files import File
from support.origin.site import Site
from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.child.dash import mp4
from vidferry_worker.child.dash.elements import UnsupportedTrackError
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
LONG = 'duration="PT2S"'


def lengths(outcome: Outcome) -> dict[str, float]:
    """Seconds from each stream's first packet to its last."""
    found = {}
    for stream in ffprobe(outcome.file)["streams"]:
        found[stream["codec_type"]] = float(stream["duration"])
    return found


def errors(outcome: Outcome) -> str:
    """What decoders say of the file."""
    return finish([ffmpeg(), "-v", "error", "-i", outcome.file, "-f", "null", "-"]).stderr


def files(site: Site, folder: str, picture: bytes, tone: int = 440, rate: str = "64k") -> str:
    """A period of one file of picture and one of sound, in a folder."""
    site.put(f"/{folder}/v.mp4", File("v.mp4", picture))
    site.put(f"/{folder}/a.mp4", File("a.mp4", sound_file(tone, "-b:a", rate)))
    return period(video(base("v.mp4")), audio(base("a.mp4")), more=LONG, head=base(f"{folder}/"))


@pytest.fixture
def packaged(site: Site) -> Site:
    """Four seconds in segments of one, below /a, and others below /b."""
    for folder, tone in (("a", 440), ("b", 660)):
        source = (*made.picture(seconds=4), *made.sound(tone, seconds=4), *made.X264, *made.AAC)
        home = made.folder(*source, "-f", "dash", "-seg_duration", "1", "clip.mpd")
        for path in home.glob("*.m4s"):
            site.put(f"/{folder}/{path.name}", File(path.name, path.read_bytes()))
    return site


def segments(folder: str, first: int, last: int, offset: int, track: int) -> str:
    """Some of these segments, in a period that begins offset milliseconds into them."""
    place = f"{folder}/{{}}-stream{track}{{}}.m4s"
    return (
        f'<SegmentTemplate timescale="1000" duration="1000" startNumber="{first}" endNumber="{last}" '
        f'presentationTimeOffset="{offset}" initialization="{place.format("init", "")}" '
        f'media="{place.format("chunk", "-$Number%05d$")}"/>'
    )


def of_segments(folder: str, first: int, last: int, offset: int) -> str:
    sets = (video(segments(folder, first, last, offset, 0)), audio(segments(folder, first, last, offset, 1)))
    return period(*sets, more=f'duration="PT{last - first + 1}S"')


@pytest.mark.parametrize(
    "parts",
    [
        [("a", 1, 2, 0), ("a", 3, 4, 2000)],  # one clock, one initialization
        [("a", 1, 2, 0), ("b", 3, 4, 2000)],  # the same samples, described at another address
        [("a", 1, 3, 0), ("b", 1, 2, 0), ("a", 4, 4, 3000)],  # what is put between begins at zero
        [("a", 3, 4, 2000), ("b", 1, 2, 0)],  # a clock that goes back
    ],
)
async def test_segments_of_periods_come_in_one_file(
    parts: list[tuple[str, int, int, int]], zygote: Zygote, packaged: Site, tmp_path: Path
) -> None:
    seconds = sum(last - first + 1 for _, first, last, _ in parts)
    manifest = mpd(*(of_segments(*part) for part in parts), seconds=seconds)
    outcome = await download(zygote, tmp_path, put_manifest(packaged, manifest))

    assert lengths(outcome) == pytest.approx({"video": seconds, "audio": seconds}, abs=0.15)
    assert errors(outcome) == ""


async def test_files_of_periods_come_in_one_file(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """Their sound has bit rates of its own, which no decoder asks about."""
    rates = ("64k", "96k", "80k")
    parts = [files(site, rate, picture_file(), 440 + number, rate) for number, rate in enumerate(rates)]
    outcome = await download(zygote, tmp_path, put_manifest(site, mpd(*parts, seconds=6)))

    assert lengths(outcome) == pytest.approx({"video": 6, "audio": 6}, abs=0.15)
    assert errors(outcome) == ""


async def test_a_file_that_periods_share_comes_once(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """Each begins so many milliseconds into it."""
    site.put("/v.mp4", File("v.mp4", picture_file()))
    site.put("/a.mp4", File("a.mp4", sound_file(440, "-frag_duration", "500000")))

    def second(number: int) -> str:
        offset = f'<SegmentBase timescale="1000" presentationTimeOffset="{1000 * number}"/>'
        return period(video(base("v.mp4") + offset), audio(base("a.mp4") + offset), more=f'start="PT{number}S"')

    outcome = await download(zygote, tmp_path, put_manifest(site, mpd(second(0), second(1))))

    assert lengths(outcome) == pytest.approx({"video": 2, "audio": 2}, abs=0.15)
    assert errors(outcome) == ""


async def test_files_whose_samples_differ_fail_before_they_are_fetched(
    zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    parts = [files(site, "1", picture_file()), files(site, "2", picture_file("-preset", "medium"))]
    outcome = await download(zygote, tmp_path, put_manifest(site, mpd(*parts, seconds=4)))

    assert outcome.failure == ErrorCode.UNSUPPORTED_STREAM
    assert not outcome.of("found")


@pytest.mark.parametrize(
    "second",
    [
        period(audio(base("1/a.mp4")), more=LONG),
        period(video(base("1/v.mp4")).replace("320", "640"), audio(base("1/a.mp4")), more=LONG),
        period(video(base("plain.mp4")), audio(base("1/a.mp4")), more=LONG),
        period(video("", more='xlink:href="https://ads.example/" xmlns:xlink="http://www.w3.org/1999/xlink"')),
    ],
    ids=["no picture", "another size", "no index", "elsewhere"],
)
async def test_what_is_no_whole_fails(second: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    first = files(site, "1", picture_file())
    site.put("/plain.mp4", File("plain.mp4", made.clip()))
    outcome = await download(zygote, tmp_path, put_manifest(site, mpd(first, second, seconds=4)))

    assert outcome.failure == ErrorCode.UNSUPPORTED_STREAM
    assert not outcome.of("found")


async def test_what_all_periods_have_is_taken_before_what_is_better_in_one(
    zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    first, second = (files(site, str(number), picture_file()) for number in range(2))
    better = video(base("better.mp4"), name="better").replace("320", "640").replace("240", "480")
    manifest = mpd(first.replace("</Period>", f"{better}</Period>"), second, seconds=4)
    outcome = await download(zygote, tmp_path, put_manifest(site, manifest))

    assert lengths(outcome) == pytest.approx({"video": 4, "audio": 4}, abs=0.15)


async def test_a_period_that_has_ended_at_once_counts_for_nothing(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    manifest = mpd(period(more='duration="PT0S"'), files(site, "1", picture_file()))
    outcome = await download(zygote, tmp_path, put_manifest(site, manifest))

    assert lengths(outcome) == pytest.approx({"video": 2, "audio": 2}, abs=0.15)


@pytest.mark.parametrize("kept", [0, 7, 30, 300, 600])
def test_an_mp4_that_ends_anywhere_is_no_reason_to_stumble(kept: int) -> None:
    data = picture_file()[:kept]
    for look in (mp4.read_track, mp4.read_segment_index):
        with pytest.raises(UnsupportedTrackError):
            look(data)
    assert mp4.delay_fragment(data, 5) == data


@pytest.mark.parametrize("data", [struct.pack(">I4s", 4, b"moof"), struct.pack(">I4sQ", 1, b"moof", 9)])
def test_boxes_of_nonsense_end(data: bytes) -> None:
    with pytest.raises(UnsupportedTrackError):
        mp4.delay_fragment(data, 1)
