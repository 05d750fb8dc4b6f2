"""Never less than the lists say: what has arrived against what was announced."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from support import ffmpeg, made
from support.children import download
from support.made import AAC, X264, picture, sound
from support.origin.files import File
from support.origin.site import Site
from support.origin.wire import text
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import completeness, expected_duration
from vidferry_worker.child.probing import ProbedFile, ProbedStream
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
PAGE = text("<html><body>Please wait</body></html>", "html")
INIT = '#EXT-X-MAP:URI="init.mp4"'
DISCONTINUITY = "#EXT-X-DISCONTINUITY"
SEGMENTED = (*picture(seconds=4), *sound(seconds=4), *X264, *AAC, "-f", "hls", "-hls_time", "1")
SINGLE = ("-movflags", "+dash+global_sidx+frag_keyframe+default_base_moof")


def folder_of(ending: str) -> Path:
    """Four segments of a second."""
    more = ("-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4") if ending == "mp4" else ()
    return made.folder(*SEGMENTED, *more, "-hls_segment_filename", f"s%d.{ending}", "list.m3u8")


def hls(site: Site, *entries: str) -> str:
    """A media playlist of these segments: each is named, told to last a second, or the line as it is."""
    for ending in ("ts", "mp4"):
        for path in folder_of(ending).glob(f"*.{ending}"):
            site.put(f"/{path.name}", File(path.name, path.read_bytes()))
    site.put("/page", PAGE)
    lines = [line for each in entries for line in ([each] if each.startswith("#") else ["#EXTINF:1.000000,", each])]
    whole = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:1", *lines, "#EXT-X-ENDLIST", ""]
    return site.put("/list.m3u8", text("\n".join(whole), "application/vnd.apple.mpegurl"))


def adaptation(kind: str, number: int, codecs: str) -> str:
    size, told = (' width="320" height="240"' if kind == "video" else ""), codecs and f' codecs="{codecs}"'
    return f"""<AdaptationSet contentType="{kind}" mimeType="{kind}/mp4">
<Representation id="{kind}{number}" bandwidth="90000"{told}{size}><BaseURL>{kind}{number}.mp4</BaseURL></Representation>
</AdaptationSet>"""


def dash(site: Site, seconds: int, *, periods: int = 1, told: bool = True) -> str:
    """A manifest of periods of four seconds, picture and sound in one file each."""
    for number in range(periods):
        video = made.file("video.mp4", *picture(seconds=4), *X264, *SINGLE)
        audio = made.file("audio.mp4", *sound(440 + 220 * number, seconds=4), *AAC, *SINGLE)
        site.put(f"/video{number}.mp4", File("video.mp4", video))
        site.put(f"/audio{number}.mp4", File("audio.mp4", audio, media_type="audio/mp4"))
    codecs = ("avc1.42c01e", "mp4a.40.2") if told else ("", "")
    sets = ["".join(map(adaptation, ("video", "audio"), (number, number), codecs)) for number in range(periods)]
    manifest = f"""<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" minBufferTime="PT2S"
mediaPresentationDuration="PT{seconds}S">{"".join(f"<Period>{each}</Period>" for each in sets)}</MPD>"""
    return site.put("/manifest.mpd", text(manifest, "application/dash+xml"))


@pytest.mark.parametrize(
    ("entries", "fmt"),
    [
        (["s0.ts", "s1.ts", "s2.ts", "page"], "1080-any"),
        (["s0.ts", "s1.ts", "s2.ts", "page"], "best-mkv"),
        (["s0.ts", "s1.ts", "page", "page"], "audio-any"),
        (["s0.ts", "s1.ts", "page", "page"], "audio-mp3"),
        ([INIT, "s0.mp4", "s1.mp4", "s2.mp4", "page"], "1080-any"),
        ([INIT, "s0.mp4", "page", "s2.mp4", "s3.mp4"], "1080-any"),
    ],
)
async def test_what_lacks_a_segment_is_not_done(
    entries: list[str], fmt: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, hls(site, *entries), fmt)

    assert outcome.failure == ErrorCode.ORIGIN_ERROR, outcome.events[-1]


@pytest.mark.parametrize(
    ("entries", "fmt"),
    [
        (["s0.ts", "s1.ts", "s2.ts", "s3.ts"], "1080-any"),
        (["s0.ts", "s1.ts", "s2.ts", "s3.ts"], "audio-mp3"),
        ([INIT, "s0.mp4", "s1.mp4", "s2.mp4", "s3.mp4"], "best-mkv"),
        (["s0.ts", "s1.ts", DISCONTINUITY, "s0.ts", "s1.ts"], "1080-any"),  # stamps that begin anew
        (["s2.ts", "s3.ts", DISCONTINUITY, "s0.ts", "s1.ts"], "best-mkv"),
        (['#EXT-X-DATERANGE:ID="x"', "s0.ts", "#UPLYNK-SEGMENT:a,00000000,ad", "s1.ts"], "1080-any"),
    ],
)
async def test_what_is_whole_is(entries: list[str], fmt: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, hls(site, *entries), fmt)

    expected = 1 if any("UPLYNK" in each for each in entries) else 4
    assert ffmpeg.duration(outcome.file) == pytest.approx(expected, abs=0.2)


async def test_parts_that_can_not_be_joined_are_not_done(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """Fragments of MP4 whose time begins anew: players and ffmpeg go by the tables, and see half of it."""
    halves = [INIT, "s0.mp4", "s1.mp4", DISCONTINUITY, "s0.mp4", "s1.mp4"]
    outcome = await download(zygote, tmp_path, hls(site, *halves))

    if outcome.failure:
        assert outcome.failure == ErrorCode.UNSUPPORTED_STREAM
    else:
        assert ffmpeg.duration(outcome.file) == pytest.approx(4, abs=0.2)


async def test_a_manifest_of_whole_files(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, dash(site, 4))

    assert ffmpeg.duration(outcome.file) == pytest.approx(4, abs=0.2)


async def test_one_that_says_more_than_its_files_hold(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, dash(site, 8))

    assert outcome.failure == ErrorCode.ORIGIN_ERROR, outcome.events[-1]


@pytest.mark.parametrize("fmt", ["audio-any", "audio-mp3"])
async def test_the_sound_of_a_video_that_goes_on_without(fmt: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """Both are in the same segments: whether all have come is told by the picture."""
    made_of = (*picture(seconds=4), *sound(seconds=2), *X264, *AAC, "-f", "hls", "-hls_time", "1")
    folder = made.folder(*made_of, "-hls_segment_filename", "s%d.ts", "list.m3u8")
    address = hls(site, "s0.ts", "s1.ts", "s2.ts", "s3.ts")
    for path in folder.glob("*.ts"):
        site.put(f"/{path.name}", File(path.name, path.read_bytes()))
    outcome = await download(zygote, tmp_path, address, fmt)

    assert ffmpeg.duration(outcome.file) == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("fmt", ["1080-any", "audio-any"])
async def test_a_sound_that_ends_before_its_picture(fmt: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    address = dash(site, 4)
    short = made.file("short.mp4", *sound(seconds=1), *AAC, *SINGLE)
    site.put("/audio0.mp4", File("audio.mp4", short, media_type="audio/mp4"))
    outcome = await download(zygote, tmp_path, address, fmt)

    assert ffmpeg.duration(outcome.file) == pytest.approx(4 if fmt == "1080-any" else 1, abs=0.2)


async def test_one_of_two_periods_is_not_the_whole(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, dash(site, 8, periods=2))

    if outcome.failure:
        assert outcome.failure == ErrorCode.UNSUPPORTED_STREAM
    else:
        assert ffmpeg.duration(outcome.file) == pytest.approx(8, abs=0.2)


async def test_a_picture_without_its_sound_is_not_the_whole(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """Where the manifest tells no codecs."""
    outcome = await download(zygote, tmp_path, dash(site, 4, told=False))

    if outcome.failure:
        assert outcome.failure == ErrorCode.UNSUPPORTED_STREAM
    else:
        assert ffmpeg.kinds(outcome.file) == ["audio", "video"]


def listed(seconds: float, digits: int, count: int) -> str:
    return f"#EXTM3U\n{f'#EXTINF:{seconds:.{digits}f},{chr(10)}x.ts{chr(10)}' * count}"


@pytest.mark.parametrize(
    ("playlist", "seconds", "missed"),
    [
        (listed(6, 6, 100), 594, False),
        (listed(6, 6, 100), 580, True),
        (listed(10, 0, 60), 9.6 * 60, False),  # rounded each: RFC 8216 §4.3.2.1 of old versions
        (listed(10, 0, 60), 300, True),
        (listed(4, 3, 2), 4, True),
        (listed(10, 0, 3), 22, False),  # the length at which it was cut, told of the last one too
        (listed(10, 0, 3), 14, True),
        (listed(0.04, 2, 1), 0.0, False),
    ],
)
def test_how_much_less_is_less(playlist: str, seconds: float, missed: bool) -> None:
    told = expected_duration.from_hls_playlist(playlist)
    assert told
    assert told.missed_by(seconds) is missed


@pytest.mark.parametrize("playlist", ["", "#EXTM3U\n", listed(6, 3, 9) + "#ANVATO-SEGMENT-INFO:type=ad\n"])
def test_lists_that_announce_nothing(playlist: str) -> None:
    assert expected_duration.from_hls_playlist(playlist) is None


def fragments(*seconds: float | None) -> dict[str, Any]:
    return {"fragments": [{"duration": each} for each in seconds]}


@pytest.mark.parametrize(
    ("stream", "least"),
    [
        (fragments(None, 4.0, 4.0, 4.0), 12 - 4 - 0.74),  # the last one may be shorter, as a template tells them
        (fragments(4.0, 4.0, 1.5), 9.5 - 0.69),
        (fragments(None, None), None),
        ({"fragments": iter(())}, None),
        ({}, None),
    ],
)
def test_what_fragments_announce(stream: dict[str, Any], least: float | None) -> None:
    told = expected_duration.from_fragments(stream)
    assert (told and told.seconds - told.tolerated) == (least and pytest.approx(least))


@pytest.mark.parametrize(
    ("inner", "listed", "counts"),
    [("<Period/>", False, True), ("<Period/>", True, False), ("<Period/><Period/>", True, True)],
)
def test_when_what_a_manifest_says_of_the_whole_counts(inner: str, listed: bool, counts: bool) -> None:
    """Not where one period's segments are listed: they may be what is left of a broadcast."""
    mpd = ET.fromstring(f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT1H">{inner}</MPD>')
    whole = expected_duration.from_dash_manifest(mpd)
    own = expected_duration.from_fragments(fragments(4.0, 4.0)) if listed else None

    assert whole
    assert whole.seconds == 3600
    assert (expected_duration.from_whole_manifest(own, {expected_duration.WHOLE_MANIFEST: whole}) is whole) is counts


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
