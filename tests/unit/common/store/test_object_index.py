"""The index of objects: its order, its pages, its bounds, and the walks that make it anew."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.records import SECONDS, Records, of
from vidferry_common.contract import keys
from vidferry_common.contract.identity import folder_of, object_id, partition_of
from vidferry_common.store import GoneObject, ObjectEntry, ObjectFilter, ObjectPlace, Store, StoreUnavailable, Walk
from vidferry_common.store.object_index import BATCH, MAX_TITLE, STRETCH, InvalidObjectPlace, ObjectIndex
from vidferry_common.store.scripts import ScriptRunner

pytestmark = pytest.mark.anyio
START = datetime(2026, 1, 1, tzinfo=UTC)
A, B = partition_of("team-a"), partition_of("team-b")
ALL, SHARED = ObjectFilter(None), ObjectFilter("")


def entry(number: int = 0, partition: str = "", **fields: Any) -> ObjectEntry:
    """Stored a second after the one with the number before."""
    name = f"videos/youtube/youtube.com/{number:011}{partition and '@' + partition}/1080-any"
    given = ObjectEntry(
        name, str(10 + number), 5, "video/mp4", "A film.mp4", f"Film {number}", 1.5, "youtube.com",
        START.timestamp() + number, "", has_thumbnail=True,
    )  # fmt: skip
    return replace(given, **fields)


async def put(records: Records, *entries: ObjectEntry, most: int = 1000) -> None:
    for each in entries:
        await records.store.object_index.put(each, most)


async def walk(records: Records, which: ObjectFilter, size: int) -> list[ObjectEntry]:
    """The objects on all pages. A token leads from each page to the next."""
    found: list[ObjectEntry] = []
    after = None
    while True:
        page = await records.store.object_index.read_page(which, size, after)
        assert len(page.entries) <= size
        found += page.entries
        if page.next_place is None:
            return found
        after = ObjectPlace.parse(page.next_place.token(which), which)


async def test_what_was_put_is_found_by_its_id_in_any_spelling(records: Records) -> None:
    one = entry(
        1, title='Ünïcode – 動画 " }', duration=None, expires_at="2026-02-01T00:00:00.000Z", has_thumbnail=False
    )
    await put(records, one)

    for spelling in (one.id, one.id.upper(), one.id.replace("-", ""), f"{{{one.id}}}"):
        assert await records.store.object_index.find(spelling) == one
    for unknown in (object_id("videos/a/b/c/best-any"), "", "x", "*", "vidferry:objects"):
        assert await records.store.object_index.find(unknown) is None


async def test_each_owner_lists_its_own_and_the_newest_first(records: Records) -> None:
    mine, others, shared = (
        [entry(number + first, partition) for number in range(5)] for first, partition in ((0, A), (2, B), (1, ""))
    )
    await put(records, *mine, *others, *shared)

    def newest_first(entries: list[ObjectEntry]) -> list[ObjectEntry]:
        return sorted(entries, key=lambda each: each.created, reverse=True)

    for size in (1, 3, 200):
        assert await walk(records, ObjectFilter(A), size) == newest_first(mine)
        assert await walk(records, SHARED, size) == newest_first(shared)
        assert len(await walk(records, ALL, size)) == len(set(await walk(records, ALL, size))) == 15
    assert await walk(records, ObjectFilter(partition_of("team-c")), 10) == []


async def test_a_page_that_takes_all_is_the_last(records: Records) -> None:
    await put(records, *map(entry, range(4)))

    assert (await records.store.object_index.read_page(SHARED, 4)).next_place is None
    assert (await records.store.object_index.read_page(SHARED, 3)).next_place is not None


async def test_a_list_goes_on_behind_what_was_removed_and_beside_what_comes(records: Records) -> None:
    """Also where many were stored in the same millisecond."""
    same = [entry(number, created=START.timestamp()) for number in range(9)]
    await put(records, *same)
    page = await records.store.object_index.read_page(SHARED, 4)
    last = page.entries[-1]

    await records.store.objects.forget([], [GoneObject(last.name, last.bucket_version, last.created)])
    await put(records, entry(99))
    rest = await records.store.object_index.read_page(SHARED, 9, page.next_place)

    assert {each.name for each in (*page.entries, *rest.entries)} == {each.name for each in same}
    assert len(page.entries) + len(rest.entries) == 9


async def test_filters(records: Records) -> None:
    films = [entry(number, site="example.org" if number % 2 else "youtube.com") for number in range(6)]
    films[4] = replace(films[4], title="STRASSE im Park")
    await put(records, *films)

    def numbers(found: list[ObjectEntry]) -> list[int]:
        return [int(each.bucket_version) - 10 for each in found]

    assert numbers(await walk(records, ObjectFilter("", site="example.org"), 2)) == [5, 3, 1]
    assert numbers(await walk(records, ObjectFilter("", title_prefix="straße"), 2)) == [4]
    assert numbers(await walk(records, ObjectFilter("", title_prefix="FILM "), 2)) == [5, 3, 2, 1, 0]
    since, before = START + timedelta(seconds=1), START + timedelta(seconds=4)
    within = ObjectFilter("", stored_after=since, stored_before=before)
    assert numbers(await walk(records, within, 2)) == [3, 2, 1]
    assert numbers(await walk(records, replace(within, site="example.org"), 1)) == [3, 1]


async def test_a_rare_one_is_found_behind_many(records: Records) -> None:
    pipe_count = STRETCH + 30
    await put(records, entry(0, site="example.org"), *map(entry, range(1, pipe_count)))

    assert [each.site for each in await walk(records, ObjectFilter("", site="example.org"), 10)] == ["example.org"]


async def test_tokens_lead_nowhere_but_where_they_were_made(records: Records) -> None:
    await put(records, entry(1), entry(2), entry(3, A), entry(4, A))
    page = await records.store.object_index.read_page(ObjectFilter(A), 1)
    assert page.next_place
    token = page.next_place.token(ObjectFilter(A))

    forged = [ObjectPlace(place).token(ALL) for place in ("", "x", "[", "+", "-", "9" * 46, "0" * 13 + "g" * 32)]
    for wrong in ("", "!", "AAAA", "é", token + "A", token[:-2], "x" * 300, "W" * 250, *forged):
        with pytest.raises(InvalidObjectPlace):
            ObjectPlace.parse(wrong, ALL)
    for other in (ALL, SHARED, ObjectFilter(B), ObjectFilter(A, site="x"), ObjectFilter(A, stored_after=START)):
        with pytest.raises(InvalidObjectPlace):
            ObjectPlace.parse(token, other)
    assert ObjectPlace.parse(token, ObjectFilter(A)) == page.next_place


async def test_an_object_that_is_replaced_moves_to_the_front(records: Records) -> None:
    await put(records, entry(1, A), entry(2, A))
    newer = entry(1, A, bucket_version="99", created=START.timestamp() + 60)

    await put(records, newer)
    await put(records, entry(1, A))  # of a worker that was late

    assert await walk(records, ObjectFilter(A), 10) == await walk(records, ALL, 10) == [newer, entry(2, A)]


async def test_a_version_may_be_any_text_without_spaces(records: Records) -> None:
    tagged = entry(1, bucket_version="9b2cf535f27731c974343645a3985328-3", expires_at="2026-01-02T00:00:00.000Z")
    await put(records, tagged)

    assert await records.store.object_index.find(tagged.id) == tagged
    assert await walk(records, ALL, 10) == [tagged]
    await records.store.objects.forget([], [GoneObject(tagged.name, "another", tagged.created)])
    assert await walk(records, ALL, 10) == [tagged], "another one of the same moment is gone"
    await records.store.objects.forget([], [GoneObject(tagged.name, tagged.bucket_version, tagged.created)])
    assert await walk(records, ALL, 10) == []


async def test_the_removal_of_the_same_bytes_leaves_them_where_they_were_stored_anew(records: Records) -> None:
    anew = entry(1, created=START.timestamp() + 60)
    await put(records, anew)
    await records.store.objects.forget([], [GoneObject(anew.name, anew.bucket_version, START.timestamp())])
    assert await walk(records, ALL, 10) == [anew]


async def test_the_removal_of_an_earlier_one_leaves_the_later(records: Records) -> None:
    await put(records, entry(1), entry(2, A, expires_at="2026-02-01T00:00:00Z"))

    earlier = GoneObject(entry(1).name, "5", entry(1).created - 1)
    await records.store.objects.forget([], [earlier, GoneObject(entry(2, A).name, "12", entry(2).created)])

    assert await walk(records, ALL, 10) == [entry(1)]
    left = {key.decode() for key in await records.redis.keys("vidferry:object*")}
    assert left <= {keys.OBJECTS, keys.OBJECTS_BY_TIME, keys.OBJECT_WALK}


async def test_the_oldest_have_no_place_where_there_are_too_many(records: Records) -> None:
    await put(records, *map(entry, range(6)), most=4)
    await put(records, entry(3), most=4)

    assert await walk(records, ALL, 10) == [entry(number) for number in (5, 4, 3, 2)]
    assert await of(records.redis.hlen(keys.OBJECTS)) == 4
    assert not await records.store.object_index.is_complete()


async def test_memory_that_is_short_shrinks_the_index(records: Records) -> None:
    await put(records, *map(entry, range(6)))
    used = (await records.store.read_memory()).used
    try:
        await records.redis.config_set("maxmemory", int(used / 0.85))
        await records.redis.delete(keys.ROOM)  # that it was measured just now
        await put(records, entry(6))
        assert await walk(records, ALL, 10) == [entry(number) for number in (6, 5, 4, 3, 2)]
        await records.redis.config_set("maxmemory", int(used / 0.95))
        await put(records, entry(7), replace(entry(2), title="Another"))
        assert [each.title for each in await walk(records, ALL, 10)] == [
            "Film 6",
            "Film 5",
            "Film 4",
            "Film 3",
            "Another",
        ]
    finally:
        await records.redis.config_set("maxmemory", 0)


async def test_the_largest_entry_is_bounded(records: Records) -> None:
    """What the settings promise of its bytes."""
    worst = [
        entry(number, A, title="𝔗" * MAX_TITLE, filename="𝔗" * 50, site="x" * 253, media_type="x" * 100,
              expires_at="2026-02-01T00:00:00.000Z")
        for number in range(300)
    ]  # fmt: skip
    await put(records, *worst)
    taken = [await of(records.redis.memory_usage(key, samples=0)) for key in await records.redis.keys("*")]

    assert sum(taken) < 300 * 3072


async def begun(records: Records, holder: str = "w", **given: Any) -> Walk:
    found = await records.store.object_index.begin_walk(holder, interval=60, hold=30, **{"leads": False, **given})
    assert isinstance(found, Walk), found
    return found


async def walked(records: Records, walk: Walk, *entries: ObjectEntry, listed: float | None = None) -> bool:
    listed = (await records.store.read_clock())[0] if listed is None else listed
    after = entries[-1].name if entries else ""
    return await records.store.object_index.put_walked(walk, entries, listed, after, 30, 1000)


async def test_a_walk_finds_all_and_drops_what_is_gone(records: Records) -> None:
    index = records.store.object_index
    await put(records, *map(entry, range(3)))
    assert not await index.was_made()
    first = await begun(records)
    assert await walked(records, first, entry(1), entry(7), entry(8, A))
    await put(records, entry(2))  # stored while the walk goes on

    assert await index.end_walk(first, 30) == 1

    assert await walk(records, ALL, 10) == [entry(8, A), entry(7), entry(2), entry(1)]
    assert await index.was_made()
    assert await index.is_complete()


async def test_a_walk_does_not_undo_what_came_after_its_listing(records: Records) -> None:
    listed = (await records.store.read_clock())[0]
    first = await begun(records)
    kept = entry(1, expires_at="2026-02-01T00:00:00.000Z")
    await put(records, kept)

    assert await walked(records, first, entry(1), listed=listed)
    assert await records.store.object_index.end_walk(first, 30) == 0

    assert await walk(records, ALL, 10) == [kept]


async def test_one_walks_at_a_time_and_another_goes_on_where_it_died(records: Records) -> None:
    index = records.store.object_index
    first = await begun(records, "a")
    assert await walked(records, first, *map(entry, range(120)))
    waits = await index.begin_walk("b", interval=60, hold=30, leads=False)
    assert isinstance(waits, float)
    assert 0 < waits <= 30

    await of(records.redis.hset(keys.OBJECT_WALK, "held_until", "1"))
    second = await begun(records, "b")

    assert (second.started_ms, second.after) == (first.started_ms, entry(119).name)
    assert not await walked(records, first, entry(200))
    assert await index.end_walk(first, 30) is None
    assert await index.end_walk(second, 30) == 0


class OneScript(ScriptRunner):
    """Runs one script. After that Redis is away."""

    ran = False

    async def run(self, script: str, names: list[str], /, **arguments: Any) -> Any:
        if self.ran:
            raise StoreUnavailable
        self.ran = True
        return await super().run(script, names, **arguments)


async def test_a_walk_that_breaks_off_meets_the_last_video_with_its_thumbnail_again(records: Records) -> None:
    first, entries = await begun(records), [entry(number) for number in range(BATCH + 1)]
    listed, _ = await records.store.read_clock()
    with pytest.raises(StoreUnavailable):
        await ObjectIndex(OneScript(records.redis)).put_walked(first, entries, listed, entries[-1].name, 30, 1000)

    again = await begun(records)
    assert again.after == folder_of(entries[BATCH - 1].name)
    assert entries[BATCH - 2].name < again.after < entries[BATCH - 1].name


async def test_it_is_not_made_again_and_again(records: Records) -> None:
    index = records.store.object_index
    await records.store.leases.find_expired("w", 60, 60, 60)
    assert not isinstance(await index.begin_walk("other", interval=60, hold=30), Walk), "it does not lead"
    first = await begun(records, leads=True)
    assert await index.end_walk(first, 30) == 0

    waits = await index.begin_walk("w", interval=60, hold=30)
    assert isinstance(waits, float)
    assert 50 < waits <= 60
    assert not isinstance(await index.begin_walk("w", interval=0, hold=30), Walk)
    assert isinstance(await index.begin_walk("w", interval=0.001, hold=30, leads=False), float | Walk)
    anew = await begun(records, anew=True)
    assert anew.started_ms > first.started_ms
    await records.redis.flushall()
    assert not await walked(records, anew, entry(1)), "Redis has lost the walk"
    assert isinstance(await index.begin_walk("w", interval=0, hold=30, leads=False), Walk)


async def test_what_has_expired_is_for_the_leader_unless_it_is_handed_out(records: Records) -> None:
    index = records.store.object_index
    soon, late = (datetime.fromtimestamp(time.time() + each, UTC).isoformat() for each in (-60, 60))
    entries = [entry(1, expires_at=soon), entry(2, expires_at=soon), entry(3, expires_at=late), entry(4)]
    await put(records, *entries)
    assert await index.find_expired("w", 10) is None
    await records.store.leases.find_expired("w", 60, 60, 60)

    assert {each.name for each in await index.find_expired("w", 10) or ()} == {entries[0].name, entries[1].name}
    assert await records.store.objects.pin(entries[0].name)
    assert await index.find_expired("w", 10) == [entries[1]]
    await put(records, replace(entries[1], expires_at=""))
    assert await index.find_expired("w", 10) == []


async def test_without_room_for_any_the_index_is_empty(records: Records) -> None:
    store = Store(records.redis, SECONDS)
    await store.object_index.put(entry(1), 0)

    assert await walk(records, ALL, 10) == []
