"""The index of the bucket's objects, which GET /api/objects lists. If it is lost, it is made anew from the bucket."""

import json
import re
import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import orjson

from vidferry_common.contract import keys
from vidferry_common.contract.identity import digest, folder_of, object_id, partition_in
from vidferry_common.store.scripts import ScriptRunner

MAX_OBJECTS = 50_000
"""in the index, where the caller does not say"""
MAX_TITLE = 300
"""characters of a title that the index keeps"""
STRETCH = 200
"""objects that one script looks at: it takes about half a millisecond"""
MAX_STRETCHES = 10
"""scripts for one page; a page that has found less by then is short, and the next one goes on from there"""
BATCH = 50
"""objects that one script puts"""
_SWEPT = 500
"""objects that one script looks at after a walk"""
_PLACE = re.compile(r"[0-9]{13}[0-9a-f]{32}@?")
_MAX_TOKEN = 256


class InvalidObjectPlace(Exception):
    """A page token that Vidferry has not made for this list."""


@dataclass(frozen=True, slots=True)
class ObjectEntry:
    """What the index says of an object."""

    name: str
    bucket_version: str
    """the version that the bucket gave it; without spaces"""
    size: int
    """bytes"""
    media_type: str
    filename: str
    title: str
    """at most MAX_TITLE characters"""
    duration: float | None
    """seconds"""
    site: str
    """the registered domain"""
    created: float
    """when that version was written, in seconds since 1970"""
    expires_at: str
    """when retention removes it, RFC 3339; empty where the retention rules decide"""
    has_thumbnail: bool

    @property
    def id(self) -> str:
        return object_id(self.name)

    @property
    def partition(self) -> str:
        return partition_in(self.name)

    @property
    def version(self) -> str:
        """Another one for each content and each expiry. Opaque."""
        return object_version(self.bucket_version, self.expires_at)

    def arguments(self) -> dict[str, Any]:
        """As the scripts take it."""
        record = {name: value for name, value in asdict(self).items() if name != "bucket_version"}
        expires = datetime.fromisoformat(self.expires_at).timestamp() * 1000 if self.expires_at else 0
        return {
            "id": index_id(self.name),
            "ms": milliseconds(self.created),
            "version": self.bucket_version,
            "partition": self.partition,
            "expires_ms": expires,
            "record": orjson.dumps(
                {key: value for key, value in record.items() if value not in ("", None, False)}
            ).decode(),
        }

    @classmethod
    def parse(cls, version: bytes, record: bytes) -> Self:
        known = orjson.loads(record)
        return cls(
            name=known["name"],
            bucket_version=version.decode(),
            size=known.get("size", 0),
            media_type=known.get("media_type", ""),
            filename=known.get("filename", ""),
            title=known.get("title", ""),
            duration=known.get("duration"),
            site=known.get("site", ""),
            created=known["created"],
            expires_at=known.get("expires_at", ""),
            has_thumbnail=known.get("has_thumbnail", False),
        )


def index_id(name: str) -> str:
    """The id of an object as Redis keeps it."""
    return object_id(name).replace("-", "")


def object_version(bucket_version: str, expires_at: str) -> str:
    return digest("version", bucket_version, expires_at)[:20]


def milliseconds(seconds: float) -> int:
    """The time of an object, as the index keeps it."""
    return min(max(0, int(seconds * 1000)), 10**13 - 1)


@dataclass(frozen=True, slots=True)
class ObjectFilter:
    """Which objects are asked for."""

    partition: str | None
    """the part of the bucket; empty: the one that all share; None: all"""
    site: str = ""
    """the registered domain; empty: any"""
    title_prefix: str = ""
    """upper and lower case are the same; empty: any"""
    stored_after: datetime | None = None
    """the objects that were stored then or later"""
    stored_before: datetime | None = None
    """the objects that were stored earlier"""

    @property
    def digest(self) -> str:
        """Equal for equal filters."""
        where = "all" if self.partition is None else f"in {self.partition}"
        return digest(where, self.site, _fold(self.title_prefix), *map(_describe_moment, self._bounds))[:16]

    @property
    def _bounds(self) -> tuple[datetime | None, datetime | None]:
        return self.stored_after, self.stored_before

    @property
    def index(self) -> str:
        """The key of the shortest index that has all of these objects."""
        return keys.OBJECTS_OF + self.partition if self.partition else keys.OBJECTS_BY_TIME

    @property
    def chooses(self) -> bool:
        """Whether objects in the index may not be asked for."""
        return bool(self.site or self.title_prefix)

    def matches(self, entry: ObjectEntry) -> bool:
        if self.partition is not None and entry.partition != self.partition:
            return False
        if self.site and entry.site != self.site:
            return False
        return not self.title_prefix or _fold(entry.title).startswith(_fold(self.title_prefix))


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _describe_moment(moment: datetime | None) -> str:
    return "" if moment is None else str(moment.timestamp())


def _format_moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{milliseconds(moment.timestamp() + 0.000_999):013d}"


@dataclass(frozen=True, slots=True)
class ObjectPlace:
    """An object in a list, also one that has been deleted since. The list goes on after it."""

    place: str
    """as object_index.lua writes it"""

    def token(self, which: ObjectFilter) -> str:
        """The place in a list with that filter, as text that callers hand back."""
        return urlsafe_b64encode(orjson.dumps([which.digest, self.place])).decode().rstrip("=")

    @classmethod
    def parse(cls, token: str, which: ObjectFilter) -> Self:
        """Raises InvalidObjectPlace where token() has not made it for that filter."""
        try:
            if len(token) > _MAX_TOKEN:
                raise InvalidObjectPlace
            made_for, place = json.loads(urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4)))
            if made_for != which.digest or not _PLACE.fullmatch(place):
                raise InvalidObjectPlace
        except (ValueError, TypeError, RecursionError):
            raise InvalidObjectPlace from None
        parsed = cls(place)
        if parsed.token(which) != token:
            raise InvalidObjectPlace
        return parsed


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """One page of a list. It may be short, and even empty, while more follow."""

    entries: list[ObjectEntry]
    next_place: ObjectPlace | None
    """None where nothing follows"""


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk of the bucket that puts all objects into the index. One worker walks at a time."""

    holder: str
    started_ms: int
    """the fence: a later walk has a later one"""
    after: str
    """the name of the last object that is in the index; empty at the beginning"""


class ObjectIndex:
    """The index in Redis. Every method raises StoreUnavailable where Redis can't be asked."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts

    async def put(self, entry: ObjectEntry, most: int = MAX_OBJECTS) -> None:
        """Puts an object into the index, in place of what it says of the object. most: objects in the index."""
        await self._scripts.run("put_objects", [keys.OBJECT_WALK], objects=[entry.arguments()], most=most)

    async def find(self, object_id: str) -> ObjectEntry | None:
        """The object with that id, which is a UUID in any spelling; None where the index has none."""
        try:
            field = UUID(object_id).hex
        except ValueError:
            return None
        text: bytes | None = await self._scripts.await_reply(self._scripts.redis.hget(keys.OBJECTS, field))
        if text is None:
            return None
        _, _, version, _, record = text.split(b" ", 4)
        return ObjectEntry.parse(version, record)

    async def is_complete(self) -> bool:
        """Whether every object of the bucket is in the index, as far as that is known."""
        completed, dropped = await self._scripts.await_reply(
            self._scripts.redis.hmget(keys.OBJECT_WALK, ["completed", "dropped"])
        )
        return completed is not None and dropped is None

    async def was_made(self) -> bool:
        """Whether the whole bucket has been walked since Redis lost the index."""
        return bool(await self._scripts.await_reply(self._scripts.redis.hexists(keys.OBJECT_WALK, "completed")))

    async def read_page(self, which: ObjectFilter, size: int, after: ObjectPlace | None = None) -> ObjectPage:
        """The objects that follow a place, the newest first; from the newest on where there is none.

        One that is replaced meanwhile moves to the front. No other is there twice, and none is left out.
        """
        behind = after.place if after else _format_moment(which.stored_before)
        entries: list[ObjectEntry] = []
        for _ in range(MAX_STRETCHES):
            at_end, last, found = await self._read_stretch(which, behind, STRETCH if which.chooses else size + 1)
            for place, entry in found:
                if not which.matches(entry):
                    continue
                if len(entries) == size:
                    return ObjectPage(entries, ObjectPlace(behind))
                entries.append(entry)
                behind = place
            if at_end:
                return ObjectPage(entries, None)
            behind = last
            if len(entries) == size:
                break
        return ObjectPage(entries, ObjectPlace(behind))

    async def _read_stretch(
        self, which: ObjectFilter, behind: str, most: int
    ) -> tuple[bool, str, list[tuple[str, ObjectEntry]]]:
        """Whether there are no more, the last place that was looked at, and the objects found with their places."""
        at_end, last, *found = await self._scripts.run(
            "list_objects",
            [which.index],
            shared=which.partition == "",
            behind=behind,
            since=_format_moment(which.stored_after),
            most=most,
        )
        places, records = found[::2], [text.split(b" ", 1) for text in found[1::2]]
        entries = [(place.decode(), ObjectEntry.parse(*record)) for place, record in zip(places, records, strict=True)]
        return bool(at_end), last.decode(), entries

    async def begin_walk(
        self, holder: str, *, interval: float, hold: float, leads: bool = True, anew: bool = False
    ) -> Walk | float:
        """A walk that is due, or was left by another worker; else the seconds until one may be due.

        interval: seconds between two walks; 0: only where the index was lost. hold: seconds after which another worker
        goes on. leads: only where that worker leads. anew: also where none is due, instead of one that is under way.
        """
        found = await self._scripts.run(
            "begin_walk",
            [keys.OBJECT_WALK, keys.LEADER],
            holder=holder,
            leads=leads,
            anew=anew,
            interval_ms=int(interval * 1000),
            hold_ms=int(hold * 1000),
        )
        if found is None:
            return hold
        due_ms, *walk = found
        return Walk(holder, int(walk[0]), walk[1].decode()) if walk else due_ms / 1000

    async def put_walked(
        self, walk: Walk, entries: Sequence[ObjectEntry], listed: float, after: str, hold: float, most: int
    ) -> bool:
        """Puts what a walk has listed, in small steps. False where another one walks now.

        listed: Redis' Unix time before the listing: what was put since stays. after: the last name that was listed.
        """
        for first in range(0, max(1, len(entries)), BATCH):
            batch = entries[first : first + BATCH]
            is_last = first + BATCH >= len(entries)
            left_out = await self._scripts.run(
                "put_objects",
                [keys.OBJECT_WALK],
                objects=[entry.arguments() for entry in batch],
                most=most,
                walk={
                    "started_ms": walk.started_ms,
                    "holder": walk.holder,
                    "hold_ms": int(hold * 1000),
                    "listed_ms": int(listed * 1000),
                    # A walk that goes on from here meets the whole folder again, with the formats beside a thumbnail.
                    "after": after if is_last else folder_of(batch[-1].name),
                },
            )
            if left_out is None:
                return False
        return True

    async def end_walk(self, walk: Walk, hold: float) -> int | None:
        """Drops what the walk has not met, and returns how many that were; None where another one walks now."""
        dropped: int = 0
        place = ""
        while True:
            found = await self._scripts.run(
                "end_walk",
                [keys.OBJECT_WALK],
                started_ms=walk.started_ms,
                holder=walk.holder,
                hold_ms=int(hold * 1000),
                **{"from": place},
                most=_SWEPT,
            )
            if found is None:
                return None
            place, dropped = found[0].decode(), dropped + int(found[1])
            if not place:
                return dropped

    async def find_expired(self, worker: str, most: int) -> list[ObjectEntry] | None:
        """Objects whose expiry has passed, the earliest first; None where another worker leads."""
        found = await self._scripts.run(
            "expired_objects", [keys.LEADER, keys.OBJECTS_EXPIRING, keys.PINNED], worker=worker, most=most
        )
        return None if found is None else [ObjectEntry.parse(*text.split(b" ", 1)) for text in found]
