"""What is read of a manifest, and that yt-dlp alone still reads otherwise."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from yt_dlp import YoutubeDL
from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.utils import urljoin

from support.dash_manifests import LOCK, audio, base, mpd, period, role, video
from vidferry_worker.child import durations
from vidferry_worker.child.dash import timeline
from vidferry_worker.child.dash.manifest import MAX_TRACKS_PER_PERIOD
from vidferry_worker.child.dash.period_times import has_ended
from vidferry_worker.child.dash.timeline import MAX_SEGMENTS
from vidferry_worker.child.patches import dash_manifest

URL = "https://site.example/lists/clip.mpd?t=1"
EVERYWHERE = "https://site.example/lists/"


def formats(manifest: str, url: str | None = URL) -> list[dict[str, Any]]:
    """What an extractor makes of a manifest."""
    extractor = YoutubeDL({"quiet": True, "logger": _Silent()}).get_info_extractor("Generic")
    found, _ = extractor._parse_mpd_formats_and_subtitles(
        ET.fromstring(manifest), mpd_base_url=EVERYWHERE.rstrip("/"), mpd_url=url
    )
    return list(found)


class _Silent:
    def debug(self, _: str) -> None: ...

    warning = error = debug


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the patch, for this test alone."""
    for name in ("_parse_mpd_periods", "_merge_mpd_periods"):
        monkeypatch.setattr(InfoExtractor, name, getattr(InfoExtractor, name))
    dash_manifest.install()


def addresses(each: dict[str, Any]) -> list[str]:
    """Of a format's fragments, or its own; bytes after a space."""
    found = []
    for fragment in each.get("fragments") or [each]:
        span = fragment.get("byte_range")
        address = fragment.get("url") or urljoin(each["fragment_base_url"], fragment["path"])
        found.append(address.removeprefix(EVERYWHERE) + (f" {span['start']}-{span['end']}" if span else ""))
    return found


def of_template(attributes: str, *entries: str, inside: str = "") -> str:
    """A period with a picture that a template tells."""
    timeline = f"<SegmentTimeline>{''.join(entries)}</SegmentTimeline>" if entries else ""
    return period(video(f"<SegmentTemplate {attributes}>{timeline}{inside}</SegmentTemplate>"))


def of_list(inner: str, attributes: str = 'duration="1"') -> str:
    return period(video(f"{base('film.mp4')}<SegmentList {attributes}>{inner}</SegmentList>"))


TRACK = '<Representation id="w" bandwidth="1"/>'
REPEATED = '<SegmentTimeline><S d="1" r="-1"/></SegmentTimeline>'
READ_OTHERWISE = [
    pytest.param(
        mpd(of_template('media="$Time$"', '<S t="0" d="1" r="-1"/>'), seconds=4), ["0", "1", "2", "3"],
        id="repeated to the period's end",
    ),
    pytest.param(
        mpd(of_template('media="$Number$"', '<S d="2" r="-1"/>', '<S t="6" d="1"/>'), seconds=7), ["1", "2", "3", "4"],
        id="repeated to the next",
    ),
    pytest.param(
        mpd(of_template('media="$Time$" presentationTimeOffset="100"', '<S t="100" d="1" r="-1"/>'), seconds=2),
        ["100", "101"], id="repeated to the period's end by the media's clock",
    ),
    pytest.param(
        mpd(of_template('media="$Number$" duration="1" startNumber="7" endNumber="8"'), seconds=None), ["7", "8"],
        id="the last one's number",
    ),
    pytest.param(
        mpd(of_template('media="$Number$" duration="1"', inside='<Initialization sourceURL="all.mp4" range="0-9"/>')),
        ["all.mp4 0-10", "1", "2"], id="initialization by a range in a template",
    ),
    pytest.param(
        mpd(of_list('<Initialization range="0-9"/><SegmentURL mediaRange="10-19"/><SegmentURL mediaRange="20-25"/>')),
        ["film.mp4 0-10", "film.mp4 10-20", "film.mp4 20-26"], id="ranges of one file",
    ),
    pytest.param(
        mpd(of_list('<Initialization sourceURL="i"/><SegmentURL media="1"/><SegmentURL media="2" mediaRange="5-9"/>')),
        ["i", "1", "2 5-10"], id="ranges of some",
    ),
    pytest.param(
        mpd(of_list('<SegmentTimeline><S d="1"/></SegmentTimeline><SegmentURL media="1"/><SegmentURL media="2"/>', "")),
        ["1", "2"], id="a timeline shorter than its list",
    ),
    pytest.param(
        mpd(of_list(f"{REPEATED}<SegmentURL media='1'/><SegmentURL media='2'/>", ""), seconds=None),
        ["1", "2"], id="repeated to a list's end",
    ),
    pytest.param(
        mpd(period(video(f'{base("film.mp4")}<SegmentBase><Initialization sourceURL="i.mp4"/></SegmentBase>'))),
        ["i.mp4", "film.mp4"], id="a file whose initialization is another",
    ),
    pytest.param(
        mpd(of_template('media="$Time$.m4s" duration="1" presentationTimeOffset="10"')), ["10.m4s", "11.m4s"],
        id="times without a timeline",
    ),
    pytest.param(
        mpd(period(video(base("/media/film.mp4"))), head=base("/other/")), ["https://site.example/media/film.mp4"],
        id="rooted below rooted",
    ),
    pytest.param(
        mpd(period(video(base("film.mp4")), head=base("x/y")), head=base("HTTPS://cdn.example/a")),
        ["https://cdn.example/x/film.mp4"], id="a file's name is no folder",
    ),
    pytest.param(
        mpd(period(video(base("?film=1")))), [URL.removeprefix(EVERYWHERE).partition("?")[0] + "?film=1"],
        id="a query of the manifest's own address",
    ),
    pytest.param(
        mpd(of_template('media="$Number$" duration="1"').replace('mimeType="video/mp4"', 'contentType="video"')),
        ["1", "2"], id="no media type",
    ),
    pytest.param(
        mpd(of_template('media="//cdn.example/$Number$" duration="2"')), ["https://cdn.example/1"],
        id="segments at another host",
    ),
]  # fmt: skip


@pytest.mark.usefixtures("patched")
@pytest.mark.parametrize(("manifest", "expected"), READ_OTHERWISE)
def test_where_segments_are(manifest: str, expected: list[str]) -> None:
    (found,) = formats(manifest)

    assert addresses(found) == expected
    assert not found.get("unfit")


@pytest.mark.parametrize(("manifest", "expected"), READ_OTHERWISE)
def test_yt_dlp_alone_still_reads_them_otherwise(manifest: str, expected: list[str]) -> None:
    try:
        (found,) = formats(manifest)
        read = addresses(found)
    except Exception as error:  # noqa: BLE001 - KeyError, AttributeError and others
        read = [repr(error)]

    assert read != expected


@pytest.mark.parametrize(
    "manifest",
    [
        mpd(of_template('initialization="i-$Bandwidth$" media="$RepresentationID$-$Number%05d$" duration="1"')),
        mpd(of_template('media="$Time$" timescale="1000"', '<S t="5" d="1000" r="1"/>', '<S d="500"/>')),
        mpd(of_template('media="https://cdn.example/$Number$" duration="3" timescale="2"'), seconds=3),
        mpd(of_template('media="100%-$$-$Number%03d$" duration="2"')),
        mpd(period(video(base("film.mp4"))), head=base("//cdn.example/a/")),
        mpd(of_list('<Initialization sourceURL="i"/><SegmentURL media="1"/><SegmentURL media="2"/>')),
        mpd(period(video(base("film.mp4"), more='lang="en"'), audio(base("sound.mp4"), more='lang="mul"'))),
        mpd(period(video(""), more='duration="PT2S"'), head=base("a/")).replace(
            "<AdaptationSet", '<SegmentTemplate media="$Number$" duration="1"/><AdaptationSet'
        ),
    ],
)
def test_what_yt_dlp_reads_rightly_stays_so(manifest: str, request: pytest.FixtureRequest) -> None:
    alone = formats(manifest)
    request.getfixturevalue("patched")
    told = formats(manifest)

    assert [addresses(each) for each in told] == [addresses(each) for each in alone]
    for ours, theirs in zip(told, alone, strict=True):
        kept = theirs.keys() - {"fragments", "fragment_base_url", "is_dash_periods", "vcodec", "manifest_stream_number"}
        assert {key: ours.get(key) for key in kept} == {key: theirs[key] for key in kept}
        durations = [each.get("duration") for each in theirs.get("fragments", [])]
        assert [each.get("duration") for each in ours.get("fragments", [])] == pytest.approx(durations)


@pytest.mark.usefixtures("patched")
@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        (mpd(of_template('media="$Number$"', f'<S d="1" r="{MAX_SEGMENTS}"/>')), "segments"),
        (mpd(of_template('media="$Number$" duration="0.00001"')), "segments"),
        (mpd(of_template('media="$Number$" duration="1"'), seconds=None), "how many"),
        (mpd(of_template('media="$Number$"')), "how many"),
        (mpd(of_template(f'media="{"x" * 30_000}$Number$"', f'<S d="1" r="{MAX_SEGMENTS // 2}"/>')), "characters"),
        (mpd(period(video(base("film.mp4")).replace("</Adap", f"{TRACK * MAX_TRACKS_PER_PERIOD}</Adap"))), "too many"),
        (mpd(of_template('media="$Number$"', '<S t="9" d="1" r="-1"/>')), "no segments"),
        (mpd(of_template('media="$Number$" duration="1" startNumber="5" endNumber="4"')), "no segments"),
        (mpd(of_template('media="$Number$"', '<S d="1" r="-1"/>'), seconds=None), "without end"),
        (mpd(of_template('media="$Number$"', '<S d="0" r="-1"/>')), "without end"),
        (mpd(of_template('media="$Number$"', "<S/>")), "without a duration"),
        (mpd(of_template('media="$Number$" duration="1" startNumber="one"')), "no whole number"),
        (mpd(of_template(f'media="$Number$" duration="1" startNumber="{"9" * 5000}"')), "no whole number"),
        (mpd(of_template('media="$SubNumber$" duration="1"')), "sequences"),
        (mpd(of_list('<SegmentURL mediaRange="9-1"/>')), "range"),
        (mpd(of_list('<SegmentURL mediaRange="9-"/>')), "range"),
        (mpd(period(video("<SegmentBase/>"))), "no address"),
        (mpd(period(video(base("http://[")))), "IPv6"),
        (mpd(period(video(base("film.mp4"))).replace("bandwidth", 'dependencyId="b" bandwidth')), "part of another"),
    ],
)
def test_what_cannot_be_fetched_is_unfit(manifest: str, reason: str) -> None:
    (found,) = formats(manifest)

    assert reason in found["unfit"]


@pytest.mark.usefixtures("patched")
def test_a_manifest_without_periods_has_no_formats() -> None:
    assert formats(mpd()) == []


@pytest.mark.usefixtures("patched")
def test_a_timeline_that_many_tracks_share_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read, of_elements = [], timeline.timeline_from_elements

    def count(*given: Any) -> Any:
        read.append(given)
        return of_elements(*given)

    monkeypatch.setattr(timeline, "timeline_from_elements", count)
    shared = '<SegmentTemplate media="$Number$"><SegmentTimeline><S d="1" r="9"/></SegmentTimeline></SegmentTemplate>'
    tracks = "".join(f'<Representation id="{number}" bandwidth="1"/>' for number in range(500))
    found = formats(mpd(period(f'<AdaptationSet mimeType="video/mp4">{shared}{tracks}</AdaptationSet>')))

    assert len(found) == 500
    assert len(read) == 1


@pytest.mark.usefixtures("patched")
@pytest.mark.parametrize(
    "manifest",
    [
        mpd('<Period xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="https://ads.example/1"/>'),
        mpd(period(*[video(base("film.mp4"))] * 21)),
    ],
)
def test_what_is_told_elsewhere_or_too_much_is_unfit(manifest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidferry_worker.child.dash.manifest.MAX_TRACKS", 20)
    (found,) = formats(manifest)

    assert found["unfit"]


@pytest.mark.usefixtures("patched")
@pytest.mark.parametrize(
    ("manifest", "seconds"),
    [
        (mpd(of_template('media="$Number$" duration="3"'), seconds=10), 10),
        (mpd(of_template('media="$Time$"', '<S d="3" r="2"/>'), seconds=10), 9),
        (mpd(period(video(base("film.mp4"))), seconds=10), 10),
        (mpd(period(video(base("film.mp4")), more='duration="PT1M"'), seconds=None), 60),
        (mpd(of_list('<SegmentURL media="1"/><SegmentURL media="2"/>', 'duration="8" timescale="2"')), 8),
        (mpd(period(video(base("film.mp4")), more='start="PT20S"'), seconds=10), 10),
        (mpd(period(video(base("film.mp4")), more='start="PT4S"'), seconds=10), 6),
    ],
)
def test_how_long_a_track_says_it_is(manifest: str, seconds: float) -> None:
    assert durations.fragments_duration(formats(manifest)[0]) == seconds


@pytest.mark.usefixtures("patched")
def test_pictures_for_seeking_are_left_out() -> None:
    seeking = '<EssentialProperty schemeIdUri="http://dashif.org/guidelines/trickmode" value="1"/>'
    found = formats(mpd(period(video(base("film.mp4")), video(base("still.mp4"), head=seeking))))

    assert [each["url"] for each in found] == [EVERYWHERE + "film.mp4"]


@pytest.mark.usefixtures("patched")
def test_protection_and_lengths_of_files_are_still_seen() -> None:
    length = '<BaseURL xmlns:yt="http://youtube.com/yt/2012/10/10" yt:contentLength="5">film.mp4</BaseURL>'
    (found,) = formats(mpd(period(video(length, head=LOCK))))

    assert (found["has_drm"], found["filesize"]) == (True, 5)


SAME_LOOKS = mpd(period(audio(base("1.mp4"), head=role("main"), name="1"), audio(base("1.mp4"), name="2")))


@pytest.mark.usefixtures("patched")
def test_tracks_of_one_period_stay_apart() -> None:
    found = formats(SAME_LOOKS)

    assert [each["format_id"] for each in found] == ["1", "2"]


def test_yt_dlp_alone_still_merges_them() -> None:
    assert len(formats(SAME_LOOKS)) == 1


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ('availabilityStartTime="2020-01-01T00:00:00Z" mediaPresentationDuration="PT10S"', True),
        ('availabilityStartTime="2020-01-01T00:00:00Z"', False),
        ('mediaPresentationDuration="PT10S"', False),
        ('availabilityStartTime="2020-01-01T00:00:00Z" mediaPresentationDuration="PT2H"', False),
    ],
)
def test_a_live_event_that_is_over(attributes: str, expected: bool) -> None:
    manifest = mpd(period(video(base("film.mp4"))), seconds=None, more=attributes)
    element = ET.fromstring(manifest.replace("static", "dynamic"))

    assert has_ended(element, 1_577_836_800 + 3600) is expected
