"""Which of several sounds of an HLS list is downloaded."""

import itertools
import subprocess
from pathlib import Path

import pytest

from support import ffmpeg
from support import hls_media as hls
from support.children import download
from support.command_line import yt_dlp
from support.origin.site import Site
from vidferry_worker.child.hls.multivariant_playlist import rewrite_multivariant_playlist
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
MAIN, OTHER = 440, 1320
"""Hz"""
DESCRIBES = 'CHARACTERISTICS="public.accessibility.describes-video"'
VARIANT = '#EXT-X-STREAM-INF:BANDWIDTH=500000,RESOLUTION=320x240,CODECS="avc1.42c00d,mp4a.40.2",AUDIO="{}"\n{}\n'


def sound(uri: str, name: str, *more: str, group: str = "a") -> str:
    listed = [f'URI="{uri}"'] if uri else []
    attributes = ",".join(["TYPE=AUDIO", f'GROUP-ID="{group}"', f'NAME="{name}"', *more, *listed])
    return f"#EXT-X-MEDIA:{attributes}\n"


def master(*sounds: str, uri: str = "silent/l.m3u8", groups: tuple[str, ...] = ("a",)) -> str:
    return "#EXTM3U\n" + "".join(sounds) + "".join(VARIANT.format(group, uri) for group in groups)


DEFAULT, AUTOMATIC, NEVER = "DEFAULT=YES,AUTOSELECT=YES", "AUTOSELECT=YES", "DEFAULT=NO,AUTOSELECT=NO"
SITUATIONS = {
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


async def heard(zygote: Zygote, site: Site, folder: Path, playlist: str, fmt: str = "1080-any") -> int:
    """The tone of what is downloaded of a list, of which sounds and pictures are there."""
    for name, made in (("main", hls.tone(MAIN)), ("other", hls.tone(OTHER))):
        hls.put_folder(site, f"/v/{name}", made)
        hls.put_list(site, f"/v/{name}/l.m3u8", hls.a_list([f"s{at}.ts" for at in range(hls.SECONDS)]))
    for name, made in (("whole", hls.video()), ("silent", hls.video(hls.TS, "-an"))):
        hls.put_folder(site, f"/v/{name}", made)
        hls.put_list(site, f"/v/{name}/l.m3u8", hls.a_list([f"s{at}.ts" for at in range(hls.SECONDS)]))
    outcome = await download(zygote, folder, hls.put_list(site, "/v/master.m3u8", playlist), fmt)
    if not fmt.startswith("audio"):
        assert ffmpeg.kinds(outcome.file) == ["audio", "video"]
    return pitch(outcome.file)


def pitch(file: Path) -> int:
    """Which of the two tones a file has: by how often its wave rises through zero."""
    words = [
        "-v",
        "error",
        "-ss",
        "1",
        "-i",
        str(file),
        "-vn",
        "-ac",
        "1",
        "-ar",
        "48000",
        "-t",
        "1",
        "-f",
        "s16le",
        "-",
    ]
    samples = memoryview(subprocess.run([ffmpeg.ffmpeg(), *words], capture_output=True, check=True).stdout).cast("h")
    rises = sum(1 for one, following in itertools.pairwise(samples) if one < 0 <= following)
    return min((MAIN, OTHER), key=lambda tone: abs(tone - rises))


@pytest.mark.parametrize("sounds", SITUATIONS.values(), ids=SITUATIONS)
async def test_the_main_sound_is_chosen(sounds: tuple[str, ...], zygote: Zygote, site: Site, tmp_path: Path) -> None:
    assert await heard(zygote, site, tmp_path, master(*sounds)) == MAIN


@pytest.mark.parametrize("fmt", ["1080-any", "best-mp4", "audio-any", "audio-m4a"])
@pytest.mark.parametrize("other", [DESCRIBES, 'LANGUAGE="de"'], ids=["description", "dub"])
async def test_so_is_one_that_is_in_the_variant_itself(
    other: str, fmt: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    """An EXT-X-MEDIA without URI says that (RFC 8216 §4.3.4.2.1)."""
    playlist = master(
        sound("other/l.m3u8", "Other", "DEFAULT=NO,AUTOSELECT=YES", other),
        sound("", "English", DEFAULT, 'LANGUAGE="en"'),
        uri="whole/l.m3u8",
    )

    assert await heard(zygote, site, tmp_path, playlist, fmt) == MAIN


async def test_the_default_is_chosen_where_variants_hold_another_sound(
    zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    """Then the sound within is the alternative."""
    playlist = master(
        sound("", "Commentary", "DEFAULT=NO,AUTOSELECT=YES"),
        sound("other/l.m3u8", "English", DEFAULT),
        uri="whole/l.m3u8",
    )

    assert await heard(zygote, site, tmp_path, playlist) == OTHER


async def test_of_groups_that_differ_in_language_the_first_variants_counts(
    zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    playlist = master(
        sound("other/l.m3u8", "Zulu", DEFAULT, 'LANGUAGE="zu"', group="b"),
        sound("main/l.m3u8", "English", DEFAULT, 'LANGUAGE="en"', group="a"),
        groups=("a", "b"),
    )

    assert await heard(zygote, site, tmp_path, playlist) == MAIN


async def test_a_description_in_a_group_of_its_own_is_not_chosen_for_its_codec(
    zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    playlist = master(
        sound("other/l.m3u8", "English", DEFAULT, DESCRIBES, group="b"),
        sound("main/l.m3u8", "English", DEFAULT, group="a"),
        groups=("a", "b"),
    )

    assert await heard(zygote, site, tmp_path, playlist) == MAIN


async def test_a_description_alone_is_better_than_nothing(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    assert await heard(zygote, site, tmp_path, master(sound("other/l.m3u8", "Described", DESCRIBES))) == OTHER


def test_a_list_of_one_sound_is_left_as_it_is() -> None:
    playlist = master(sound("main/l.m3u8", "English", "DEFAULT=YES", "AUTOSELECT=YES"))

    written = rewrite_multivariant_playlist(playlist, "http://site/master.m3u8")

    assert sorted(written.text.replace('"', "").split()) == sorted(playlist.replace('"', "").split())
    assert written.audio_preferences == {}


@pytest.mark.parametrize("name", ["description-called-later", "first-of-equals"])
def test_yt_dlp_by_itself_still_takes_another(name: str, site: Site, tmp_path: Path) -> None:
    url = hls.put_list(site, "/v/master.m3u8", master(*SITUATIONS[name]))

    done = yt_dlp(tmp_path, "-f", "ba", "--print", "url", url)

    assert done.stdout.strip().endswith("other/l.m3u8"), done
