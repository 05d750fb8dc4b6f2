"""How long a site asks to be left alone, as a child heeds it and tells it."""

import asyncio
import time
from pathlib import Path

import pytest

from support import made
from support.children import download
from support.hls_sites import A_KEY, Hls
from support.origin.files import Answer, File
from support.origin.site import Site
from support.origin.wire import Reply
from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.child.retry_after import MAX_WAIT, MAX_WAITS, SiteWaits, parse_retry_after
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
NOW = 1_767_528_000.0  # Sun, 04 Jan 2026 12:00:00 GMT
LATER = "Sun, 04 Jan 2026 12:01:00 GMT"
LONG, SHORT = 60, 1
CLIP = File("clip.mp4", made.clip())


def busy(status: int, seconds: int) -> Reply:
    return Reply(status, {"Retry-After": str(seconds)})


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": " 7 "}, 7),
        ({"Retry-After": LATER}, 60),
        ({"Retry-After": LATER, "Date": "Sun, 04 Jan 2026 11:59:00 GMT"}, 120),
        ({"Retry-After": LATER, "Date": "nonsense"}, 60),
        ({"Retry-After": "Sat, 03 Jan 2026 12:00:00 GMT"}, 0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "9" * 5000}, None),
        ({"Retry-After": "Sun, 99 Jan 99999 12:00:00 GMT"}, None),
        ({"Retry-After": ""}, None),
        ({}, None),
    ],
)
def test_seconds_and_dates(headers: dict[str, str], seconds: float | None) -> None:
    assert parse_retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "code"),
    [(429, ErrorCode.RATE_LIMITED), (503, ErrorCode.ORIGIN_ERROR), (408, ErrorCode.ORIGIN_ERROR)],
)
async def test_a_page_that_asks_for_it(
    status: int, code: ErrorCode, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, site.put("/page", busy(status, LONG)))

    assert (outcome.failure, outcome.events[-1]["retry_after"]) == (code, LONG)
    assert len(site.settled("/page")) == 1


async def test_a_refusal_that_names_a_time_stays_one(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, site.put("/page", busy(403, LONG)))

    assert (outcome.failure, outcome.events[-1]["retry_after"]) == (ErrorCode.REFUSED, None)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_file_is_asked_for_no_more(status: int, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, site.put("/clip.mp4", CLIP, busy(status, LONG)))

    assert outcome.events[-1]["retry_after"] == LONG
    assert len(site.settled("/clip.mp4")) == 2


@pytest.mark.parametrize("path", ["s1", "key"])
async def test_nor_is_a_part(path: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    answers: dict[str, list[Answer]] = {path: [busy(429, LONG)]}
    outcome = await download(zygote, tmp_path, Hls(site, encrypted=True).put(**answers))

    assert (outcome.failure, outcome.events[-1]["retry_after"]) == (ErrorCode.RATE_LIMITED, LONG)
    assert len([one for one in site.settled() if one.status == 429]) == 1


@pytest.mark.parametrize("path", ["s1", "key"])
async def test_for_a_moment_it_is_waited_in_the_middle(path: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    hls = Hls(site, encrypted=True)
    then: Answer = A_KEY if path == "key" else hls.segment(1)
    url = hls.put(**{path: [busy(429, SHORT), then]})
    begun = time.monotonic()
    outcome = await download(zygote, tmp_path, url)

    assert outcome.file.exists()
    assert time.monotonic() - begun >= SHORT
    assert [(one["seconds"], one["asked"]) for one in outcome.of("waiting")] == [(SHORT, True)]


async def test_fragments_pause_between_tries_and_tell_it(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    hls = Hls(site)
    outcome = await download(zygote, tmp_path, hls.put(s3=[Reply(404), Reply(500), hls.segment(3)]))

    assert outcome.file.exists()
    assert all(one["seconds"] > 0 and not one["asked"] for one in outcome.of("waiting"))
    assert outcome.of("waiting")


async def test_all_threads_wait_for_the_longest_of_the_waits() -> None:
    told: list[float] = []
    waits = SiteWaits(told.append)
    assert waits.accept_wait(0.2, 0)
    assert waits.accept_wait(0.1, 0), "it is under way"
    begun = time.monotonic()
    await asyncio.gather(*(asyncio.to_thread(waits.sleep) for _ in range(3)))

    assert time.monotonic() - begun >= 0.2
    assert told == [0.2]


def test_no_wait_is_long_or_without_end() -> None:
    waits = SiteWaits()

    assert not waits.accept_wait(MAX_WAIT + 1, 0)
    assert not waits.accept_wait(1, MAX_WAITS)
    waits.sleep()
