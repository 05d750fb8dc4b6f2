"""What a child tells that looks: the document of a probe, and the entries of a list. With a real store behind it.

The fuzzer is the child, as in events.py.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import asdict
from typing import Any

from hypothesis import strategies as st

from support.records import CAP, new_job, of
from system.fuzz.events import SECONDS, Setting, check_figures, open_setting
from system.fuzz.target import NUMBERS, TEXTS, VALUES, Check, Target
from system.fuzz.texts import check_harmless
from unit.worker.children.test_protocol import PROBE
from vidferry_common.contract import keys
from vidferry_common.contract.batches import Entry, PlaylistRequest
from vidferry_common.contract.errors import JobFailure
from vidferry_common.contract.kinds import JobKind
from vidferry_common.contract.probes import MAX_BYTES
from vidferry_common.store.probes import QUEUE
from vidferry_worker.looks.playlists import PlaylistReader
from vidferry_worker.looks.probes import ProbeRunner

LIMIT = 7
"""entries that are asked for"""
DOCUMENT: dict[str, Any] = asdict(PROBE)
URLS = st.sampled_from(["https://site.example/a", "http://[", "//", "https://site.example/a#b", "file:///etc/passwd"])
GIVEN = st.one_of(NUMBERS, TEXTS, VALUES, URLS, st.text("-0123456789", max_size=12))
NAMES = sorted({name for value in DOCUMENT.values() if isinstance(value, list) for name in value[0]} | DOCUMENT.keys())
PARTS = st.dictionaries(st.sampled_from(NAMES), GIVEN, max_size=6)


def _change_member(document: dict[str, Any], name: str, value: Any, inner: str | None) -> dict[str, Any]:
    """The document with another value of a member; inner: of a member of that member, where it has any."""
    old = document[name]
    if inner is not None and isinstance(old, list) and old:
        value = [{**old[0], inner: value}, *old[1:]]
    elif inner is not None and isinstance(old, dict):
        value = {**old, inner: value}
    return {**document, name: value}


CHANGED = st.builds(
    _change_member,
    st.just(DOCUMENT), st.sampled_from(sorted(DOCUMENT)), GIVEN, st.none() | st.sampled_from(NAMES),
)  # fmt: skip
MANY = st.builds(
    lambda name, part, count: {**DOCUMENT, name: [{**DOCUMENT[name][0], **part}] * count},
    st.sampled_from(["formats", "subtitles", "chapters", "entries"]), PARTS, st.integers(50, 400),
)  # fmt: skip
PROBED = st.builds(lambda probe: {"event": "probed", "probe": probe}, st.one_of(CHANGED, CHANGED, MANY, PARTS, VALUES))
ENTRIES = st.lists(
    st.one_of(
        st.fixed_dictionaries({"url": URLS | TEXTS, "title": TEXTS, "duration": st.none() | NUMBERS}),
        st.fixed_dictionaries({"url": URLS, "title": st.just(""), "duration": st.none()}),
        PARTS,
    ),
    max_size=8,
)
LISTED = st.fixed_dictionaries(
    {"event": st.just("listed"), "entries": ENTRIES | VALUES, "title": TEXTS, "done": st.booleans() | VALUES}
)
FAILED = st.fixed_dictionaries(
    {"event": st.just("failed"), "code": st.sampled_from(["private", "playlist", "none"]), "detail": TEXTS},
    optional={"entries": NUMBERS, "retry_after": NUMBERS},
)
SAID = st.lists(st.one_of(PROBED, LISTED, LISTED, FAILED).map(lambda told: json.dumps(told).encode()), max_size=6)


@contextmanager
def _open() -> Iterator[Check]:
    with open_setting() as setting:

        async def look(example: tuple[str, list[bytes]]) -> None:
            purpose, setting.line.says = example
            async with asyncio.timeout(SECONDS):
                await (_probe(setting) if purpose == "probe" else _list_entries(setting))
            await setting.line.played()
            assert not await asyncio.to_thread(setting.left)

        yield lambda example: setting.run(look(example))


async def _probe(setting: Setting) -> None:
    """The job ends, and its message shows nothing that is wrong or large."""
    store, job = setting.context.store, new_job(kind=JobKind.PROBE)
    await store.probes.create(job, CAP, 10**9)
    (task,), _ = await store.tasks(QUEUE).take(1, 30)
    await ProbeRunner(setting.context).run_probe(task)
    message = await of(setting.redis.hget(keys.JOB + job.job_id, "state")) or b"{}"
    data = json.loads(message)["data"]
    assert data["status"] in {"completed", "failed"}
    assert len(message) < 2 * MAX_BYTES
    check_figures(data)
    _check_texts(data["probe"])


async def _list_entries(setting: Setting) -> None:
    """No more than was asked for, and none twice."""
    found: list[Entry] = []
    playlist = PlaylistRequest("https://site.example/list", limit=LIMIT)
    try:
        async with aclosing(PlaylistReader(setting.context).read_entries(playlist, ())) as pages:
            async for page in pages:
                check_harmless(page.title)
                found += page.entries
    except JobFailure:
        pass
    urls = [entry.url for entry in found if entry.url]
    assert len(found) <= LIMIT
    assert len(set(urls)) == len(urls)
    for entry in found:
        check_figures(asdict(entry))
        _check_texts(asdict(entry))


def _check_texts(value: Any) -> None:
    if isinstance(value, str):
        check_harmless(value)
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            _check_texts(each)


TARGET = Target(st.tuples(st.sampled_from(["probe", "list"]), SAID), _open, round_size=20)
