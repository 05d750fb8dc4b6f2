"""The Lua scripts of the store. Each is one atomic step; publish is the one that runs for every message."""

import re
from collections.abc import Awaitable
from importlib import resources
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, RedisError

from vidferry_common.contract import batches, keys, messages
from vidferry_common.store.client import EndedLimits, StoreUnavailable

SCRIPTS = ("add_entries", "add_task", "ask_for_bundle", "begin_probe", "begin_walk", "bundle_look_due", "cancel",
           "cancel_children", "cancel_probe", "claim", "claim_object", "count_attempt", "create", "create_batch",
           "create_probe", "end_probe", "end_walk", "expired_leases", "expired_objects", "fail_child", "finish",
           "forget_objects", "hold_bundle", "hold_tasks", "list_jobs", "list_objects", "list_versions",
           "mark_deleting", "pick", "pin", "publish", "publish_bundle", "put_objects", "queue_depth", "read_trial",
           "refuse", "refuse_look", "release_task", "renew", "report_versions", "requeue", "resend_event",
           "roll_back_bundle", "set_fields", "settle_batch", "settle_delivery", "stop_batch", "sweep_due",
           "take_deliveries", "take_probes", "take_tasks", "tell_batch", "tend_pauses")  # fmt: skip
LIBRARIES = ("messages", "clock", "room", "lib")
"""functions that the scripts share, in the order in which they stand before each"""
REST = ("events", "batches", "batch_ends")
"""the same of functions that few jobs need, before lib; defined when the first such job is met"""
PAUSES = "pauses"
"""the same of downloads whose site pauses, behind lib"""
REST_AT_ONCE = frozenset({
    "add_entries", "add_task", "begin_probe", "cancel_children", "cancel_probe", "create_batch", "create_probe",
    "end_probe", "fail_child", "hold_tasks", "release_task", "resend_event", "settle_batch", "settle_delivery",
    "stop_batch", "take_deliveries", "take_probes", "take_tasks", "tell_batch",
})  # fmt: skip
"""scripts that call these functions themselves, so that they are defined from the beginning"""
FURTHER_LIBRARIES = {
    **dict.fromkeys(("create", "create_batch", "create_probe", "fail_child", "resend_event"), ("accept",)),
    **dict.fromkeys(("cancel", "cancel_children"), ("cancellation",)),
    **dict.fromkeys(("cancel_probe", "end_probe"), ("probes",)),
    **dict.fromkeys(("hold_bundle", "roll_back_bundle"), ("bundles",)),
    **dict.fromkeys(
        ("end_walk", "expired_objects", "forget_objects", "list_objects", "put_objects"), ("object_index",)
    ),
}
"""functions that only these scripts share, after the others"""
DEFAULT_ENDED_LIMITS = EndedLimits()
"""the defaults of the settings"""
_NAME = re.compile(r"\b(keys|batches|messages)\.([A-Z_]+)\b")
_MODULES = {"keys": keys, "batches": batches, "messages": messages}


class RedisFull(StoreUnavailable):
    """Redis has no memory for more jobs; the rest is for those that run."""


class ScriptRunner:
    """Runs the scripts on one Redis. Its errors become StoreUnavailable here, and nowhere else."""

    def __init__(self, redis: "Redis", limits: EndedLimits = DEFAULT_ENDED_LIMITS) -> None:
        self.redis = redis
        self._scripts = {name: redis.register_script(script_text(name, limits)) for name in SCRIPTS}

    def sha(self, script: str) -> str:
        """The digest by which EVALSHA knows a script."""
        return str(self._scripts[script].sha)

    async def run(self, script: str, names: list[str], /, **arguments: Any) -> Any:
        """Runs a script whose arguments are named: they are sent as one JSON document. Bytes are text in UTF-8."""
        return await self.run_positional(script, names, orjson.dumps(arguments, default=bytes.decode))

    async def run_positional(self, script: str, names: list[str], /, *arguments: Any) -> Any:
        """Runs a script whose arguments are positional."""
        return await self.await_reply(self._scripts[script](keys=names, args=arguments))

    @staticmethod
    async def await_reply(reply: Awaitable[Any] | Any) -> Any:
        """The reply of Redis; RedisFull or StoreUnavailable where there is none."""
        try:
            return await reply
        except OutOfMemoryError as error:  # others have filled it since a script measured the memory
            raise RedisFull from error
        except (RedisError, OSError) as error:
            raise StoreUnavailable(str(error) or type(error).__name__) from error


def script_text(name: str, limits: EndedLimits = DEFAULT_ENDED_LIMITS) -> str:
    """The whole text of one of SCRIPTS, as it is sent to Redis."""
    if name == "publish":
        return _load_part("messages") + _define_late("clock", "events", "batches") + _load_part(name)
    bounds = f"local ENDED_RECORDS, ENDED_BYTES = {limits.records}, {limits.bytes}\n"
    *before, lib = LIBRARIES
    rest = _load_parts(*REST) if name in REST_AT_ONCE else _define_late(*REST)
    further = _load_parts(*FURTHER_LIBRARIES.get(name, ()), name)
    if name == "pick":  # which runs most of all, and would make this function anew each time
        pauses, further = "", further.replace("define_pauses()\n", _load_part(PAUSES))
    else:
        pauses = f"define_pauses = function()\n{_load_part(PAUSES)}end\n"
    return bounds + _load_parts(*before) + rest + _load_part(lib) + pauses + further


def _define_late(*parts: str) -> str:
    return f"define_rest = function()\n{_load_parts(*parts)}end\n"


def _load_parts(*parts: str) -> str:
    return "".join(map(_load_part, parts))


def _load_part(part: str) -> str:
    """A script's file with `keys.NAME`, `batches.NAME` and `messages.NAME` replaced by their values: Redis would make
    tables of them anew at each call.
    """
    text = (resources.files(__package__) / f"{part}.lua").read_text()
    return _NAME.sub(lambda found: _lua_literal(getattr(_MODULES[found[1]], found[2])), text)


def _lua_literal(value: str | float) -> str:
    if not isinstance(value, str):
        return f"{value:.0f}"
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
