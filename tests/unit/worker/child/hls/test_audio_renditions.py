"""Which of several sounds of an HLS list is downloaded."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from support import ffmpeg, hls
from support.children import download
from support.extraction import extract
from support.origin.server import Origin
from support.origin.site import Site
from vidferry_worker.child.hls.multivariant_playlist import rewrite_multivariant_playlist
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.xdist_group("renditions")  # all lists are extracted once, for all of these tests
DESCRIBES = 'CHARACTERISTICS="public.accessibility.describes-video"'
VARIANT = '#EXT-X-STREAM-INF:BANDWIDTH=500000,RESOLUTION=320x240,CODECS="avc1.42c00d,mp4a.40.2",AUDIO="{}"\n{}\n'


def sound(uri: str, name: str, *more: str, group: str = "a") -> str:
    listed = [f'URI="{uri}"'] if uri else []
    attributes = ",".join(["TYPE=AUDIO", f'GROUP-ID="{group}"', f'NAME="{name}"', *more, *listed])
    return f"#EXT-X-MEDIA:{attributes}\n"


def master(*sounds: str, uri: str = "silent/l.m3u8", groups: tuple[str, ...] = ("a",)) -> str:
    return "#EXTM3U\n" + "".join(sounds) + "".join(VARIANT.format(group, uri) for group in groups)


DEFAULT, AUTOMATIC, NEVER = "DEFAULT=YES,AUTOSELECT=YES", "AUTOSELECT=YES", "DEFAULT=NO,AUTOSELECT=NO"
APART = {
    "default": (sound("other/l.m3u8", "Zulu", "DEFAULT=NO"), sound("main/l.m3u8", "English", DEFAULT)),
    "description-called-later": (
        sound("main/l.m3u8", "English", AUTOMATIC),
        sound("other/l.m3u8", "English - Audio Description", AUTOMATIC, DESCRIBES),
    ),
    "description-first": (
        sound("other/l.m3u8", "English", AUTOMATIC, DESCRIBES),
        sound("main/l.m3u8", "English (main)", AUTOMATIC),
    ),
    "description-by-name": (
        sound("other/l.m3u8", "Audiodeskription", AUTOMATIC, 'LANGUAGE="de"'),
        sound("main/l.m3u8", "Deutsch", AUTOMATIC, 'LANGUAGE="de"'),
    ),
    "description-by-two-letters": (
        sound("other/l.m3u8", "Zulu AD", AUTOMATIC),
        sound("main/l.m3u8", "Adele", AUTOMATIC),
    ),
    "description-that-is-the-default": (
        sound("other/l.m3u8", "Described", DEFAULT, DESCRIBES),
        sound("main/l.m3u8", "Plain", AUTOMATIC),
    ),
    "first-of-equals": (
        sound("main/l.m3u8", "Français", AUTOMATIC, 'LANGUAGE="fr"'),
        sound("other/l.m3u8", "Zweitton", AUTOMATIC, 'LANGUAGE="de"'),
    ),
    "original": (
        sound("other/l.m3u8", "Z", AUTOMATIC, 'CHARACTERISTICS="public.translation.dubbed,public.machine-generated"'),
        sound("main/l.m3u8", "A", AUTOMATIC, 'LANGUAGE="ja"'),
    ),
    "dub-with-more-channels": (
        sound("other/l.m3u8", "Deutsch", "DEFAULT=NO", 'LANGUAGE="de"', 'CHANNELS="6"'),
        sound("main/l.m3u8", "English", DEFAULT, 'LANGUAGE="en"', 'CHANNELS="2"'),
    ),
    "without-a-name": (
        sound("main/l.m3u8", "", DEFAULT, 'LANGUAGE="en"').replace('NAME="",', ""),
        sound("other/l.m3u8", "Zulu", "DEFAULT=NO", 'LANGUAGE="zu"'),
    ),
}


@dataclass(frozen=True)
class Situation:
    """A list, and whose list of segments has the sound that is chosen."""

    playlist: str
    right: str = "main"
    fmt: str = "1080-any"


def within(other: str, *, default: bool = True) -> str:
    """A list whose variants hold a sound: an EXT-X-MEDIA without URI says that (RFC 8216 §4.3.4.2.1)."""
    marks = [DEFAULT, "DEFAULT=NO,AUTOSELECT=YES"]
    ours, theirs = marks if default else marks[::-1]
    return master(
        sound("other/l.m3u8", "Other", theirs, other), sound("", "English", ours, 'LANGUAGE="en"'), uri="whole/l.m3u8"
    )


GERMAN = 'LANGUAGE="de"'
SITUATIONS = {
    **{name: Situation(master(*sounds)) for name, sounds in APART.items()},
    "within-before-a-description": Situation(within(DESCRIBES), "whole"),
    "within-before-a-dub": Situation(within(GERMAN), "whole"),
    "sound-within-before-a-description": Situation(within(DESCRIBES), "whole", "audio-m4a"),
    "sound-within-before-a-dub": Situation(within(GERMAN), "whole", "audio-any"),
    "default-before-another-within": Situation(within('LANGUAGE="en"', default=False), "other"),
    "first-variants-group": Situation(
        master(
            sound("other/l.m3u8", "Zulu", DEFAULT, 'LANGUAGE="zu"', group="b"),
            sound("main/l.m3u8", "English", DEFAULT, 'LANGUAGE="en"', group="a"),
            groups=("a", "b"),
        )
    ),
    "description-in-a-group-of-its-own": Situation(
        master(
            sound("other/l.m3u8", "English", DEFAULT, DESCRIBES, group="b"),
            sound("main/l.m3u8", "English", DEFAULT, group="a"),
            groups=("a", "b"),
        )
    ),
    "description-alone": Situation(master(sound("other/l.m3u8", "Described", DESCRIBES)), "other"),
}


@pytest.fixture(scope="module")
def asked(origin: Origin) -> dict[str, tuple[str, str]]:
    """The address of each situation's list, and the format that is asked for."""
    return {
        name: (hls.put_list(origin.site(), "/v/master.m3u8", each.playlist), each.fmt)
        for name, each in SITUATIONS.items()
    }


@pytest.fixture(scope="module")
def chosen(asked: dict[str, tuple[str, str]]) -> dict[str, str]:
    found = extract(list(asked.values()), patched=True)
    return {name: each.sound or each.error for name, each in zip(asked, found, strict=True)}


@pytest.mark.parametrize("name", SITUATIONS)
def test_which_sound_is_chosen(name: str, chosen: dict[str, str]) -> None:
    assert chosen[name].endswith(f"/v/{SITUATIONS[name].right}/l.m3u8"), chosen[name]


@pytest.mark.anyio
async def test_it_is_downloaded(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    for name, made in (("main", hls.tone(440)), ("silent", hls.video(hls.TS, "-an"))):
        hls.put_folder(site, f"/v/{name}", made)
        hls.put_list(site, f"/v/{name}/l.m3u8", hls.a_list(hls.NAMES))
    url = hls.put_list(site, "/v/master.m3u8", master(*APART["description-first"]))

    assert ffmpeg.kinds((await download(zygote, tmp_path, url)).file) == ["audio", "video"]
    assert site.requests("/v/other/") == []


def test_a_list_of_one_sound_is_left_as_it_is() -> None:
    playlist = master(sound("main/l.m3u8", "English", "DEFAULT=YES", "AUTOSELECT=YES"))

    written = rewrite_multivariant_playlist(playlist, "http://site/master.m3u8")

    assert sorted(written.text.replace('"', "").split()) == sorted(playlist.replace('"', "").split())
    assert written.audio_preferences == {}


def test_yt_dlp_by_itself_still_takes_another(asked: dict[str, tuple[str, str]]) -> None:
    names = ("description-called-later", "first-of-equals", "within-before-a-dub")
    found = extract([asked[name] for name in names], patched=False)

    assert [each.sound.rpartition("/v/")[2] for each in found] == ["other/l.m3u8"] * len(names)
