"""What schemathesis loads: without it no job would be made, hardly a request would name one, and waits would last."""

import os
import re
from hashlib import sha256
from typing import Any
from uuid import UUID

import schemathesis

from system.fuzz.known import read
from vidferry_api.jobs.wait import MAX_SECONDS

_ACCEPTED_BY_SCHEMA = re.compile(r"https?://", re.IGNORECASE)
_MAX_LENGTH = 2048
_SHORT_WAIT = 0.1
_NOBODY = str(UUID(int=0))
_KNOWN = read(os.environ)
_KEPT = {each["object_id"] for each in _KNOWN["kept"]}


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Replaces three of four URLs that are valid by the schema by ones that are accepted.

    Most that are made by its pattern have no valid host.
    """
    if not isinstance(body, dict):
        return body
    changed = {name: _accept_url(body[name]) for name in ("url", "playlist") if name in body}
    if isinstance(body.get("urls"), list):
        changed["urls"] = [_accept_url(url) for url in body["urls"]]
    return {**body, **changed}


def _accept_url(url: Any) -> Any:
    if not isinstance(url, str) or len(url) > _MAX_LENGTH or not _ACCEPTED_BY_SCHEMA.match(url):
        return url
    chosen = _choose(url)
    return url if chosen % 4 == 0 else f"https://example.org/{chosen}"


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    """Has three of four requests name what there is: chance makes no id."""
    if not path_parameters or not any(_is_uuid(path_parameters.get(name)) for name in ("job_id", "object_id")):
        return path_parameters  # it has to be refused
    for end, known in _KNOWN.items():
        if context.operation.path.endswith(end):
            chosen = _choose(repr(sorted(path_parameters.items())))
            return path_parameters if chosen % 4 == 0 else {**path_parameters, **known[chosen % len(known)]}
    return path_parameters


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    """The same of the batch whose jobs are listed."""
    if query and _is_uuid(query.get("batch")) and _choose(query["batch"]) % 4:
        return {**query, **_KNOWN["batch"][0]}
    return query


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Shortens each wait that the api would grant: no job changes here, so it would last as long as it may.

    Leaves some videos in the bucket, however many are deleted.
    """
    if case.method == "DELETE" and (case.path_parameters or {}).get("object_id") in _KEPT:
        case.path_parameters["object_id"] = _NOBODY
    if case.operation.label == "POST /api/probes" and "wait" not in (case.query or {}):
        case.query = {**(case.query or {}), "wait": _SHORT_WAIT}
        return
    try:
        wait = float((case.query or {})["wait"])
    except (KeyError, TypeError, ValueError):
        return
    if _SHORT_WAIT < wait <= MAX_SECONDS:
        case.query["wait"] = _SHORT_WAIT


def _choose(text: str) -> int:
    return sha256(text.encode(errors="replace")).digest()[0]


def _is_uuid(text: Any) -> bool:
    try:
        return bool(UUID(text))
    except (TypeError, ValueError, AttributeError):
        return False
