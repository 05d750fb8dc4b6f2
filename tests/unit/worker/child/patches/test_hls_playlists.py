"""HLS lists with what yt-dlp doesn't read by itself, downloaded."""

from pathlib import Path

import pytest
from Cryptodome.Cipher import AES
from Cryptodome.Util.Padding import pad

from support import ffmpeg
from support import hls_media as hls
from support.children import Outcome, download
from support.command_line import yt_dlp
from support.origin.files import File
from support.origin.site import Site
from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
TS = [f"s{at}.ts" for at in range(hls.SECONDS)]
FRAGMENTS = [f"s{at}.m4s" for at in range(hls.SECONDS)]
INIT = '#EXT-X-MAP:URI="init.mp4"\n'
KEY, VECTOR = b"0123456789abcdef", bytes(15) + b"\x07"


@pytest.fixture
def clip(site: Site) -> Site:
    """The site, with the segments of a clip under /v in both forms."""
    hls.put_folder(site, "/v", hls.video())
    hls.put_folder(site, "/v", hls.video(hls.FRAGMENTED))
    return site


def one_file(names: list[str]) -> tuple[bytes, list[int]]:
    """Segments behind each other, and how long they are."""
    contents = [(hls.video() / name).read_bytes() for name in names]
    return b"".join(contents), [len(each) for each in contents]


def encrypted(name: str, sequence: int | None = None, folder: Path | None = None) -> File:
    """A segment as AES-128 has it, by the IV of its number or by one that is told."""
    vector = VECTOR if sequence is None else sequence.to_bytes(16, "big")
    content = ((folder or hls.video()) / name).read_bytes()
    return File(name, AES.new(KEY, AES.MODE_CBC, vector).encrypt(pad(content, 16)), media_type="video/mp2t")


def gaps(clip: Site) -> str:
    """The third segment is missing, and said to be."""
    playlist = hls.a_list(TS).replace("#EXTINF:1.0,\ns2.ts", "#EXT-X-GAP\n#EXTINF:1.0,\nlost.ts")
    return hls.put_list(clip, "/v/list.m3u8", playlist)


def gaps_in_encrypted(clip: Site) -> str:
    """The segments after the gap keep their numbers, by which they are decrypted."""
    for at, name in enumerate(TS):
        clip.put(f"/v/e{name}", encrypted(name, at + 5))
    clip.put("/v/key", File("key", KEY, media_type="application/octet-stream"))
    playlist = hls.a_list(
        [f"e{name}" for name in TS], head='#EXT-X-MEDIA-SEQUENCE:5\n#EXT-X-KEY:METHOD=AES-128,URI="key"\n'
    )
    return hls.put_list(
        clip, "/v/list.m3u8", playlist.replace("#EXTINF:1.0,\nes1.ts", "#EXTINF:1.0,\n#EXT-X-GAP\nlost")
    )


def same_map_again(clip: Site) -> str:
    parts = f"{INIT}{hls.segments(FRAGMENTS[:2])}#EXT-X-DISCONTINUITY\n{INIT}{hls.segments(FRAGMENTS[2:])}"
    return hls.put_list(clip, "/v/list.m3u8", f"{hls.HEAD}{parts}{hls.END}")


def same_map_elsewhere(clip: Site) -> str:
    """As of an address that is signed anew."""
    clip.put("/v/again.mp4", File("again.mp4", (hls.video(hls.FRAGMENTED) / "init.mp4").read_bytes()))
    again = '#EXT-X-MAP:URI="again.mp4?signature=2"\n'
    playlist = f"{hls.HEAD}{INIT}{hls.segments(FRAGMENTS[:2])}{again}{hls.segments(FRAGMENTS[2:])}{hls.END}"
    return hls.put_list(clip, "/v/list.m3u8", playlist)


def map_of_nothing(clip: Site) -> str:
    """Another section, for a segment that is missing."""
    other = '#EXT-X-MAP:URI="other.mp4"\n#EXT-X-GAP\n#EXTINF:1.0,\nlost.m4s\n'
    playlist = f"{hls.HEAD}{INIT}{hls.segments(FRAGMENTS[:2])}{other}{INIT}{hls.segments(FRAGMENTS[2:])}{hls.END}"
    return hls.put_list(clip, "/v/list.m3u8", playlist)


def map_of_the_same_streams(clip: Site) -> str:
    """Made anew, so that it differs in nothing that a fragment needs."""
    made_anew = hls.video(hls.FRAGMENTED, "-metadata", "title=again", "-metadata:s:v:0", "language=fra")
    clip.put("/v/again.mp4", File("again.mp4", (made_anew / "init.mp4").read_bytes()))
    again = '#EXT-X-MAP:URI="again.mp4"\n'
    playlist = f"{hls.HEAD}{INIT}{hls.segments(FRAGMENTS[:2])}{again}{hls.segments(FRAGMENTS[2:])}{hls.END}"
    return hls.put_list(clip, "/v/list.m3u8", playlist)


def twice(clip: Site, names: list[str], head: str = "", last: str = "") -> str:
    """The clip twice: its timestamps begin anew."""
    parts = f"{head}{hls.segments(names)}#EXT-X-DISCONTINUITY\n{head}{hls.segments(names)}{last}"
    return hls.put_list(clip, "/v/list.m3u8", f"{hls.HEAD}{parts}{hls.END}")


def fragments_that_begin_anew(clip: Site) -> str:
    return twice(clip, FRAGMENTS, INIT)


def fragments_that_go_back(clip: Site) -> str:
    """After what was put in between, the clip goes on."""
    last = f"#EXT-X-DISCONTINUITY\n{hls.segments(FRAGMENTS[:1])}"
    parts = f"{INIT}{hls.segments(FRAGMENTS[:2])}#EXT-X-DISCONTINUITY\n{hls.segments(FRAGMENTS[:1])}"
    parts += f"#EXT-X-DISCONTINUITY\n{hls.segments(FRAGMENTS[2:])}{last}"
    return hls.put_list(clip, "/v/list.m3u8", f"{hls.HEAD}{parts}{hls.END}")


def fragments_cut_out(clip: Site) -> str:
    """As of a broadcast: the clock goes on from its beginning."""
    return hls.put_list(clip, "/v/list.m3u8", hls.a_list(FRAGMENTS[2:], head=INIT))


def transport_that_begins_anew(clip: Site) -> str:
    return twice(clip, TS)


def encrypted_fragments(clip: Site) -> str:
    """The section before them has no number, and no key here."""
    for at, name in enumerate(FRAGMENTS):
        clip.put(f"/v/e{name}", encrypted(name, at, hls.video(hls.FRAGMENTED)))
    clip.put("/keys/key", File("key", KEY, media_type="application/octet-stream"))
    head = INIT + '#EXT-X-KEY:URI="../keys/key",METHOD=AES-128\n'
    return hls.put_list(clip, "/v/list.m3u8", hls.a_list([f"e{name}" for name in FRAGMENTS], head=head))


def told_vector_then_none(clip: Site) -> str:
    """Half of it is encrypted, by an IV that the list tells; a second way to the same key is a system's."""
    for name in TS[:2]:
        clip.put(f"/v/e{name}", encrypted(name))
    clip.put("/v/key", File("key", KEY, media_type="application/octet-stream"))
    keys = f'#EXT-X-KEY:METHOD=AES-128,URI="key",IV=0x{VECTOR.hex()}\n'
    keys += '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="x",KEYFORMAT="org.example.vault"\n'
    encrypted_part = keys + hls.segments([f"e{name}" for name in TS[:2]])
    return hls.put_list(
        clip, "/v/list.m3u8", f"{hls.HEAD}{encrypted_part}#EXT-X-KEY:METHOD=NONE\n{hls.segments(TS[2:])}{hls.END}"
    )


def ranges_of_one_file(clip: Site) -> str:
    """All but the first follow each other."""
    whole, lengths = one_file(TS)
    clip.put("/v/whole.ts", File("whole.ts", whole))
    ranges = [f"#EXT-X-BYTERANGE:{length}{'' if at else '@0'}\n" for at, length in enumerate(lengths)]
    parts = "".join(each + hls.segments(["whole.ts"]) for each in ranges)
    return hls.put_list(clip, "/v/list.m3u8", f"{hls.HEAD}{parts}{hls.END}")


def fragments_of_one_file(clip: Site) -> str:
    """The section before them is in it too, as ffmpeg writes it with -hls_flags single_file."""
    contents = [(hls.video(hls.FRAGMENTED) / name).read_bytes() for name in ("init.mp4", *FRAGMENTS)]
    clip.put("/v/whole.mp4", File("whole.mp4", b"".join(contents)))
    init, first, *others = map(len, contents)
    ranges = [f"#EXT-X-BYTERANGE:{first}@{init}\n", *(f"#EXT-X-BYTERANGE:{length}\n" for length in others)]
    parts = "".join(each + hls.segments(["whole.mp4"]) for each in ranges)
    return hls.put_list(
        clip, "/v/list.m3u8", f'{hls.HEAD}#EXT-X-MAP:URI="whole.mp4",BYTERANGE="{init}@0"\n{parts}{hls.END}'
    )


def ranges_around_a_gap(clip: Site) -> str:
    """What follows a gap begins where that ends."""
    whole, lengths = one_file(TS)
    clip.put("/v/whole.ts", File("whole.ts", whole))
    ranges = [f"#EXT-X-BYTERANGE:{length}{'' if at else '@0'}\n" for at, length in enumerate(lengths)]
    ranges[2] += "#EXT-X-GAP\n"
    parts = "".join(each + hls.segments(["whole.ts"]) for each in ranges)
    return hls.put_list(clip, "/v/list.m3u8", f"{hls.HEAD}{parts}{hls.END}")


def marked_by_bytes(clip: Site) -> str:
    """A byte order mark, lines ended as on Windows, and a title with a line separator."""
    playlist = hls.a_list(TS).replace("#EXTINF:1.0,", "#EXTINF:1.0,one\u2028two").replace("\n", "\r\n")
    return hls.put_list(clip, "/v/list.m3u8", f"\ufeff{playlist}")


def without_target_duration(clip: Site) -> str:
    return hls.put_list(clip, "/v/list.m3u8", hls.a_list(TS).replace("#EXT-X-TARGETDURATION:1\n", ""))


def session_key(clip: Site) -> str:
    """A key that is told before it is needed, and here never is."""
    hls.put_list(clip, "/v/list.m3u8", hls.a_list(TS))
    head = '#EXTM3U\n#EXT-X-SESSION-KEY:METHOD=AES-128,URI="key"\n'
    return hls.put_list(clip, "/v/master.m3u8", f"{head}#EXT-X-STREAM-INF:BANDWIDTH=1\nlist.m3u8\n")


def i_frames_beside(clip: Site) -> str:
    """A list of I-frames is named as one, and by a careless packager as a variant too."""
    hls.put_list(clip, "/v/list.m3u8", hls.a_list(TS))
    i_frames = '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9,URI="i.m3u8"\n#EXT-X-STREAM-INF:BANDWIDTH=9,RESOLUTION=1280x720\n'
    playlist = f"#EXTM3U\n{i_frames}i.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=320x240\nlist.m3u8\n"
    return hls.put_list(clip, "/v/master.m3u8", playlist)


def variables(clip: Site) -> str:
    """Of each kind, in both lists."""
    define = '#EXT-X-DEFINE:NAME="name",VALUE="s"\n#EXT-X-DEFINE:IMPORT="place"\n#EXT-X-DEFINE:QUERYPARAM="ending"\n'
    names = [f"{{$place}}/{{$name}}{at}.{{$ending}}" for at in range(hls.SECONDS)]
    hls.put_list(clip, "/lists/list.m3u8", hls.a_list(names, head=define))
    defined = '#EXT-X-DEFINE:NAME="place",VALUE="../v"\n#EXT-X-DEFINE:QUERYPARAM="list"\n'
    playlist = f"#EXTM3U\n{defined}#EXT-X-STREAM-INF:BANDWIDTH=1\nlists/{{$list}}.m3u8?ending=ts\n"
    return hls.put_list(clip, "/master.m3u8", playlist) + "?list=list"


SITUATIONS = [
    (gaps, 4), (gaps_in_encrypted, 4), (same_map_again, 4), (same_map_elsewhere, 4), (map_of_the_same_streams, 4),
    (map_of_nothing, 4), (fragments_of_one_file, 4), (fragments_that_begin_anew, 8), (fragments_that_go_back, 6),
    (fragments_cut_out, 2), (transport_that_begins_anew, 8), (encrypted_fragments, 4),
    (told_vector_then_none, 4), (ranges_of_one_file, 4),
    (ranges_around_a_gap, 4), (marked_by_bytes, 4), (without_target_duration, 4), (session_key, 4),
    (i_frames_beside, 4), (variables, 4),
]  # fmt: skip


def check_whole(outcome: Outcome, seconds: float) -> None:
    assert ffmpeg.kinds(outcome.file) == ["audio", "video"]
    assert ffmpeg.duration(outcome.file) == pytest.approx(seconds, abs=0.3)
    for stream in ffmpeg.ffprobe(outcome.file)["streams"]:
        assert float(stream["duration"]) == pytest.approx(seconds, abs=0.3)
    words = ["-v", "error", "-xerror", "-i", str(outcome.file), "-f", "null", "-"]
    assert ffmpeg.finish([ffmpeg.ffmpeg(), *words]).stderr == ""


@pytest.mark.parametrize(("situation", "seconds"), SITUATIONS, ids=[each[0].__name__ for each in SITUATIONS])
async def test_the_video_is_whole(
    situation: object, seconds: float, zygote: Zygote, clip: Site, tmp_path: Path
) -> None:
    assert callable(situation)
    outcome = await download(zygote, tmp_path, situation(clip))

    check_whole(outcome, seconds)
    assert [each for each in clip.requests() if "lost" in each.path] == []


@pytest.mark.parametrize("situation", [gaps, same_map_again, marked_by_bytes, without_target_duration, variables])
def test_yt_dlp_by_itself_still_fails(situation: object, clip: Site, tmp_path: Path) -> None:
    assert callable(situation)
    done = yt_dlp(tmp_path, "--abort-on-unavailable-fragments", "--fragment-retries", "0", situation(clip))

    assert done.returncode != 0, done


def test_yt_dlp_by_itself_still_decrypts_fragments_by_the_wrong_number(clip: Site, tmp_path: Path) -> None:
    yt_dlp(tmp_path, "-o", "out.mp4", "--fixup", "never", encrypted_fragments(clip))

    whole = b"".join((hls.video(hls.FRAGMENTED) / name).read_bytes() for name in ("init.mp4", *FRAGMENTS))
    found = (tmp_path / "out.mp4").read_bytes()
    assert len(found) == len(whole)
    assert found != whole


def test_yt_dlp_by_itself_still_begins_with_nothing(clip: Site, tmp_path: Path) -> None:
    yt_dlp(tmp_path, "-o", "out.mp4", fragments_cut_out(clip))

    assert ffmpeg.duration(tmp_path / "out.mp4") == pytest.approx(4, abs=0.3)


def test_yt_dlp_by_itself_still_puts_parts_on_top_of_each_other(clip: Site, tmp_path: Path) -> None:
    yt_dlp(tmp_path, "-o", "out.mp4", fragments_that_go_back(clip))

    assert ffmpeg.duration(tmp_path / "out.mp4") < hls.SECONDS


async def test_a_lists_query_is_its_own(zygote: Zygote, clip: Site, tmp_path: Path) -> None:
    """A relative URI leaves it behind (RFC 3986 §5.2.2); what needs it names it."""
    hls.put_list(clip, "/v/list.m3u8", hls.a_list([f"/u/{clip.token}/v/s0.ts?seen=1", *TS[1:]]))
    url = hls.put_list(clip, "/v/master.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlist.m3u8?kept=1\n")

    check_whole(await download(zygote, tmp_path, f"{url}?token=secret"), hls.SECONDS)

    assert {each.target.partition("?")[2] for each in clip.requests("/v/list.m3u8")} == {"kept=1"}
    assert {each.target.partition("?")[2] for each in clip.requests("/v/s0.ts")} == {"seen=1"}
    assert {each.target.partition("?")[2] for each in clip.requests("/v/s1.ts")} == {""}


OTHER = hls.HEAD + INIT + hls.segments(FRAGMENTS[:2]) + '#EXT-X-MAP:URI="other.mp4"\n' + hls.segments(FRAGMENTS[2:])
UNSUPPORTED = ErrorCode.UNSUPPORTED_STREAM
REFUSALS = {
    "another-map": (OTHER + hls.END, UNSUPPORTED),
    "map-after-segments": (hls.HEAD + hls.segments(TS[:1]) + INIT + hls.segments(FRAGMENTS) + hls.END, UNSUPPORTED),
    "i-frames-only": (hls.a_list(TS, head="#EXT-X-I-FRAMES-ONLY\n"), UNSUPPORTED),
    "sample-aes": (hls.a_list(TS, head='#EXT-X-KEY:URI="key",METHOD=SAMPLE-AES\n'), UNSUPPORTED),
    "protected": (
        hls.a_list(TS, head='#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,URI="x",KEYFORMAT="urn:uuid:edef8ba9"\n'),
        ErrorCode.DRM,
    ),
    "no-segments": (hls.HEAD + hls.END, UNSUPPORTED),
    "no-segments-yet": (hls.HEAD, ErrorCode.LIVE),
    "all-missing": (hls.HEAD + hls.segments(TS, "#EXT-X-GAP\n") + hls.END, UNSUPPORTED),
    "no-variants": ("#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-INDEPENDENT-SEGMENTS\n", UNSUPPORTED),
    "i-frame-variants-alone": ('#EXTM3U\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9,URI="i"\n', UNSUPPORTED),
    "nothing": ("#EXTM3U\n", UNSUPPORTED),
    "key-without-address": (hls.a_list(TS, head="#EXT-X-KEY:METHOD=AES-128\n"), UNSUPPORTED),
    "vector-that-is-none": (
        hls.a_list(TS, head='#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0xgg\n'), UNSUPPORTED
    ),
    "range-that-is-none": (hls.a_list(TS, head="#EXT-X-BYTERANGE:all\n"), UNSUPPORTED),
    "undefined-variable": (
        hls.a_list(["{$b}.ts"], head='#EXT-X-DEFINE:NAME="a",VALUE="1"\n'), UNSUPPORTED
    ),
    "import-of-nothing": (hls.a_list(TS, head='#EXT-X-DEFINE:IMPORT="a"\n'), UNSUPPORTED),
    "parameter-that-is-not-there": (
        hls.a_list(TS, head='#EXT-X-DEFINE:QUERYPARAM="a"\n'), UNSUPPORTED
    ),
    "variable-with-a-line": (
        hls.a_list(TS, head='#EXT-X-DEFINE:QUERYPARAM="line"\n'), UNSUPPORTED
    ),
}  # fmt: skip


@pytest.mark.parametrize(("playlist", "code"), REFUSALS.values(), ids=REFUSALS)
async def test_what_cannot_change_is_told_at_once(
    playlist: str, code: ErrorCode, zygote: Zygote, clip: Site, tmp_path: Path
) -> None:
    clip.put("/v/other.mp4", File("other.mp4", (hls.video(hls.FRAGMENTED, "-s", "160x120") / "init.mp4").read_bytes()))

    url = hls.put_list(clip, "/v/list.m3u8", playlist)
    outcome = await download(zygote, tmp_path, f"{url}?line=%0A%23EXT-X-ENDLIST")

    assert outcome.failure == code, outcome.events[-1]
    assert not code.retryable
    assert not [each for each in clip.requests("/v/") if each.path.endswith((".ts", ".m4s"))]


async def test_so_is_a_variant_without_segments(zygote: Zygote, clip: Site, tmp_path: Path) -> None:
    hls.put_list(clip, "/v/list.m3u8", hls.HEAD + hls.END)
    url = hls.put_list(clip, "/v/master.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlist.m3u8\n")

    assert (await download(zygote, tmp_path, url)).failure == UNSUPPORTED


def test_yt_dlp_by_itself_still_knows_two_systems_for_protection_alone(clip: Site, tmp_path: Path) -> None:
    url = hls.put_list(clip, "/v/list.m3u8", REFUSALS["protected"][0])

    assert yt_dlp(tmp_path, "--print", "%(formats.0.has_drm)s", url).stdout.strip() == "False"


async def test_a_page_where_a_variant_is_named_may_be_another_one_later(
    zygote: Zygote, clip: Site, tmp_path: Path
) -> None:
    hls.put_list(clip, "/v/list.m3u8", "<!DOCTYPE html><title>Please wait</title>", "html")
    url = hls.put_list(clip, "/v/master.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlist.m3u8\n")

    assert (await download(zygote, tmp_path, url)).failure == ErrorCode.ORIGIN_ERROR
