"""A body that is gone on with is the same body, or is begun anew."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from support import made
from support.children import download
from support.command_line import yt_dlp
from support.origin.files import Answer, File, answer
from support.origin.site import Site
from support.origin.wire import Body, Reply, Request
from vidferry_worker.child.patches.body_resumption import MAX_RESTARTS, STRONG_AFTER, FileVersion
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
SUNDAY, MONDAY = "Sun, 04 Jan 2026 12:00:00 GMT", "Mon, 05 Jan 2026 12:00:00 GMT"


def clip(tone: int, version: int = 0, **headers: str) -> File:
    return File("clip.mp4", made.clip(tone=tone), version, headers=headers)


def cut(file: Answer) -> Callable[[Request], Reply]:
    """The same, but half of its body alone."""
    return changed(file, lambda reply: setattr(reply.body, "cut_at", len(reply.body.data) // 2))


def without(file: Answer, *names: str) -> Callable[[Request], Reply]:
    """The same, without these headers."""
    return changed(file, lambda reply: [reply.headers.pop(name, None) for name in names])


def with_headers(file: Answer, **headers: str) -> Callable[[Request], Reply]:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return changed(file, lambda reply: reply.headers.update(told))


def careless(file: File) -> Callable[[Request], Reply]:
    """A site that answers ranges whatever If-Range says."""

    def answered(request: Request) -> Reply:
        headers = {name: value for name, value in request.headers.items() if name != "if-range"}
        return answer(replace(request, headers=headers), file)[0]

    return answered


def changed(file: Answer, change: Callable[[Reply], object]) -> Callable[[Request], Reply]:
    def answered(request: Request) -> Reply:
        given = file(request) if callable(file) else file
        reply = answer(request, given)[0] if isinstance(given, File) else given
        change(reply)
        return reply

    return answered


def refusing_ranges(file: File) -> Callable[[Request], Reply]:
    def answered(request: Request) -> Reply:
        if "range" in request.headers:
            return Reply(416, {"Content-Range": f"bytes */{len(file.data)}"})
        return Reply(200, {"Content-Type": "video/mp4"}, Body(file.data))

    return answered


def refusing_conditions(file: File) -> Callable[[Request], Reply]:
    """A site that takes If-Range for If-Match."""

    def answered(request: Request) -> Reply:
        return Reply(412) if "if-range" in request.headers else answer(request, file)[0]

    return answered


def ignoring_ranges(file: File) -> Reply:
    return Reply(200, {"Content-Type": "video/mp4"}, Body(file.data))


def shorten(reply: Reply) -> None:
    """A range shorter than the one that was asked for, as RFC 9110 §14.2 allows."""
    first = int(reply.headers["Content-Range"].split()[1].partition("-")[0])
    reply.body.data = reply.body.data[:1000]
    reply.headers["Content-Range"] = f"bytes {first}-{first + 999}/{len(OLD.data)}"


OLD, NEW = clip(440), clip(660, version=1)
LONGER = File("clip.mp4", made.clip(tone=660, seconds=3), version=1)
BARE = ("ETag", "Last-Modified")
RESUMED: dict[str, tuple[File, list[Answer]]] = {
    "another version, If-Range is heeded": (NEW, [OLD, cut(OLD), NEW]),
    "another ETag": (NEW, [OLD, cut(OLD), careless(NEW)]),
    "another length": (LONGER, [OLD, cut(without(OLD, *BARE)), without(careless(LONGER), *BARE)]),
    "another version, cut as well": (NEW, [OLD, cut(OLD), cut(NEW), NEW]),
    "no ranges": (OLD, [OLD, cut(refusing_ranges(OLD)), refusing_ranges(OLD)]),
    "conditions are refused": (OLD, [OLD, cut(OLD), refusing_conditions(OLD)]),
    "ranges are ignored": (OLD, [OLD, cut(ignoring_ranges(OLD)), ignoring_ranges(OLD)]),
    "less than the rest": (OLD, [OLD, cut(OLD), changed(OLD, shorten), OLD]),
}  # fmt: skip


@pytest.mark.parametrize("case", RESUMED)
async def test_a_file_is_one_version_of_it(case: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    expected, answers = RESUMED[case]
    outcome = await download(zygote, tmp_path, site.put("/clip.mp4", *answers))

    assert outcome.file.read_bytes() == expected.data


@pytest.mark.parametrize("case", ["another ETag", "less than the rest"])
def test_yt_dlp_by_itself_joins_what_does_not_belong_together(case: str, site: Site, tmp_path: Path) -> None:
    """Once it does not, the patch can go."""
    expected, answers = RESUMED[case]
    yt_dlp(tmp_path, "--no-part", "-o", "media.mp4", site.put("/clip.mp4", *answers))

    file = tmp_path / "media.mp4"
    assert not file.exists() or file.read_bytes() != expected.data


async def test_the_rest_alone_is_asked_for_under_a_condition(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, site.put("/clip.mp4", OLD, cut(OLD), OLD))

    assert outcome.file.read_bytes() == OLD.data
    *_, rest = site.settled("/clip.mp4")
    assert (rest.status, rest.headers["if-range"]) == (206, OLD.etag)
    assert rest.sent < len(OLD.data)


async def test_what_came_encoded_is_not_gone_on_with(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """Its bytes were counted as they are after decoding."""
    encoded = with_headers(OLD, Content_Encoding="identity")
    outcome = await download(zygote, tmp_path, site.put("/clip.mp4", OLD, cut(encoded), OLD))

    assert outcome.file.read_bytes() == OLD.data
    assert "range" not in site.settled("/clip.mp4")[-1].headers


async def test_a_range_of_a_list_is_that_range(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """Also of a site that always answers the whole."""
    form = ("-hls_flags", "single_file", "-hls_time", "1", "list.m3u8")
    segments = made.folder(*made.picture(), *made.sound(), *made.X264, *made.AAC, *form)
    media = File("list.ts", (segments / "list.ts").read_bytes())
    site.put("/list.ts", Reply(200, {"Content-Type": "video/mp2t"}, Body(media.data)))
    url = site.put("/list.m3u8", File("list.m3u8", (segments / "list.m3u8").read_bytes()))
    outcome = await download(zygote, tmp_path, url)

    assert outcome.file.stat().st_size < len(media.data) * 1.2


@pytest.mark.parametrize(
    ("first", "then", "same"),
    [
        ({"ETag": '"a"'}, {"ETag": '"a"'}, True),
        ({"ETag": '"a"'}, {"ETag": '"b"'}, False),
        ({"ETag": 'W/"a"'}, {"ETag": '"a"'}, True),
        ({"ETag": '"a"', "Last-Modified": SUNDAY}, {"ETag": '"a"', "Last-Modified": MONDAY}, True),
        ({"Last-Modified": SUNDAY}, {"Last-Modified": MONDAY}, False),
        ({"ETag": '"a"'}, {}, True),
        ({"ETag": '"a"', "Content-Length": "9"}, {"ETag": '"a"', "Content-Range": "bytes 3-9/10"}, False),
        ({"Content-Length": "10"}, {"Content-Range": "bytes 3-9/10"}, True),
        ({"Content-Length": "10"}, {"Content-Range": "bytes 3-9/*"}, True),
        ({"Content-Length": "4", "Content-Encoding": "gzip"}, {"Content-Range": "bytes 3-9/10"}, True),
    ],
)
def test_what_tells_two_versions_apart(first: dict[str, str], then: dict[str, str], same: bool) -> None:
    assert FileVersion.from_response(200, first).is_same(FileVersion.from_response(206, then)) is same


@pytest.mark.parametrize(
    ("told", "strong"),
    [
        ({"ETag": '"a"', "Last-Modified": SUNDAY}, '"a"'),
        ({"ETag": 'W/"a"', "Last-Modified": SUNDAY, "Date": MONDAY}, ""),
        ({"Last-Modified": SUNDAY, "Date": MONDAY}, SUNDAY),
        ({"Last-Modified": SUNDAY, "Date": SUNDAY.replace("12:00:00", "12:00:01")}, ""),
        ({"Last-Modified": SUNDAY}, ""),
        ({"Last-Modified": "yesterday", "Date": MONDAY}, ""),
        ({}, ""),
    ],
)
def test_if_range_carries_a_strong_validator_alone(told: dict[str, str], strong: str) -> None:
    assert STRONG_AFTER > 1
    assert FileVersion.from_response(200, told).if_range == strong


SILENT = """
import json, sys
from types import SimpleNamespace
from yt_dlp import YoutubeDL
from yt_dlp.downloader.http import HttpFD
from yt_dlp.networking.common import Response
from yt_dlp.networking.exceptions import TransportError
from vidferry_common.contract.errors import JobFailure
from vidferry_worker.child import stall_timer
from vidferry_worker.child.patches import body_resumption, download_retries

for patch in (body_resumption, download_retries):
    patch.install()
clock = SimpleNamespace(now=0.0)
stall_timer.time = SimpleNamespace(monotonic=lambda: clock.now)
waits, ranges = [], []

class Body:
    "Of which nothing comes after these bytes."
    closed = False
    def __init__(self, content, timeout):
        self.content, self.timeout = content, timeout
    def read(self, amount):
        if not self.content:
            clock.now += self.timeout
            raise TransportError(cause=TimeoutError("read timed out"))
        data, self.content = self.content[:amount], self.content[amount:]
        return data
    def close(self):
        pass

CONTENT = b"x" * 100

def open_cut(request, bytes_each):
    timeout = request.extensions["timeout"]
    begin = int((request.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
    waits.append(timeout)
    ranges.append(begin)
    headers = {"Content-Length": str(100 - begin)} if RANGES or not begin else {"Content-Length": "100"}
    if RANGES and begin:
        headers["Content-Range"] = f"bytes {begin}-99/100"
    first = begin if RANGES else 0
    answer = Response(Body(CONTENT[first:first + bytes_each], timeout), request.url, headers,
                      206 if RANGES and begin else 200)
    return answer

RANGES, BYTES, MORE = json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with YoutubeDL({"quiet": True, "retries": 3, "noprogress": True}) as ydl:
    ydl.stall_seconds = 600
    ydl.urlopen = lambda request: open_cut(request, BYTES + MORE * len(waits))
    try:
        HttpFD(ydl, ydl.params).real_download("media.mp4", {"url": "http://example.com/"})
        end = "done"
    except JobFailure as failure:
        end = failure.code
print(json.dumps([end, waits, ranges]))
"""


def download_silent(
    folder: Path, *, ranges: bool, bytes_each: int, more: int = 0
) -> tuple[str, list[float], list[int]]:
    """How it ends, how long each response may be silent, and where each begins: 100 bytes, so many by each response.

    more: so many more by each than by the one before.
    """
    command = [sys.executable, "-c", SILENT, json.dumps(ranges), str(bytes_each), str(more)]
    end, waits, begins = json.loads(subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout)
    return end, waits, begins


def test_a_silence_is_none_of_the_retries_and_bytes_end_it(tmp_path: Path) -> None:
    end, waits, begins = download_silent(tmp_path, ranges=True, bytes_each=10)

    assert (end, begins) == ("done", list(range(0, 100, 10)))
    assert sum(waits) > 600


@pytest.mark.parametrize(("ranges", "bytes_each"), [(True, 0), (False, 0), (False, 50)])
def test_without_a_new_byte_it_ends_with_the_stall_time(ranges: bool, bytes_each: int, tmp_path: Path) -> None:
    """Also where the bytes that came before come again and again."""
    end, waits, _ = download_silent(tmp_path, ranges=ranges, bytes_each=bytes_each)

    assert (end, waits) == ("stalled", [20, 40, 80, 160, 300])


def test_what_sends_a_little_more_each_time_is_not_begun_again_without_end(tmp_path: Path) -> None:
    """Where it sends no ranges, all that came before comes again too."""
    end, waits, _ = download_silent(tmp_path, ranges=False, bytes_each=50, more=1)

    assert (end, len(waits)) == ("stalled", 1 + MAX_RESTARTS + 1)


def test_a_few_times_it_is(tmp_path: Path) -> None:
    end, waits, _ = download_silent(tmp_path, ranges=False, bytes_each=50, more=10)

    assert (end, len(waits)) == ("done", 6)
