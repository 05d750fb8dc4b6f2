"""Marks on objects of the bucket: which ones are being handed out, and which are being deleted."""

from collections.abc import Sequence
from typing import NamedTuple

from vidferry_common.contract import keys
from vidferry_common.store.object_index import index_id, milliseconds
from vidferry_common.store.scripts import ScriptRunner

PINNED_SECONDS = 900.0
"""for which retention leaves an object alone whatever the settings say, from its upload and each time that it is handed
out: until the link to it has been told and followed"""
DELETING_SECONDS = 300.0
"""for which an object counts as being deleted where its worker died over it"""


class GoneObject(NamedTuple):
    """An object that the bucket has no more."""

    name: str
    version: str
    """the one that was removed, or is not found any more"""
    created: float
    """when that version was written, in seconds since 1970"""


class ObjectMarks:
    """The marks on objects in Redis. Every method raises StoreUnavailable where Redis can't be asked."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts

    async def pin(self, name: str) -> bool:
        """Keeps retention from an object that is about to be handed out; False where it is being deleted now."""
        named = [keys.PINNED, keys.DELETING]
        return bool(await self._scripts.run("pin", named, object=name, ms=int(PINNED_SECONDS * 1000)))

    async def mark_deleting(self, worker: str, names: Sequence[str], *, pinned_too: bool = False) -> list[str] | None:
        """Marks those that may be deleted, until forget(), and returns them; None where another worker leads.

        worker: that has to lead; empty: none. pinned_too: also what is being handed out, because somebody asked for it.
        """
        found = await self._scripts.run(
            "mark_deleting",
            [keys.LEADER, keys.PINNED, keys.DELETING],
            worker=worker,
            ms=int(DELETING_SECONDS * 1000),
            objects=names,
            pinned_too=pinned_too,
        )
        return None if found is None else [name.decode() for name in found]

    async def forget(self, names: Sequence[str], gone: Sequence[GoneObject]) -> None:
        """Removes the marks of objects. Those that are gone leave the index too, and nobody is to hand them out."""
        await self._scripts.run(
            "forget_objects",
            [keys.DELETING, keys.PINNED],
            names=names,
            gone=[
                {
                    "id": index_id(each.name),
                    "name": each.name,
                    "version": each.version,
                    "ms": milliseconds(each.created),
                }
                for each in gone
            ],
        )

    async def check_sweep_due(self, worker: str, interval: float, *, ended: bool = False) -> float | None:
        """Seconds until the next sweep; None where another worker leads. ended: a sweep has just ended."""
        due_ms = await self._scripts.run(
            "sweep_due", [keys.LEADER], worker=worker, interval_ms=int(interval * 1000), ended=ended
        )
        return None if due_ms is None else due_ms / 1000
