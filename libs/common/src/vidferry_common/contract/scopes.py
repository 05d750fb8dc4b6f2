"""What a key or token may do, and how owners are named."""

import re
from collections.abc import Iterable
from enum import StrEnum


class Scope(StrEnum):
    """A permission of a key or token."""

    JOBS_WRITE = "jobs:write"
    """create, cancel and retry jobs"""
    JOBS_READ = "jobs:read"
    """list, read and watch jobs"""
    OBJECTS_READ = "objects:read"
    """get files, thumbnails and links to them"""
    OBJECTS_DELETE = "objects:delete"
    """delete files"""
    ADMIN = "admin"
    """all of these, for the jobs of every owner"""


USUAL_SCOPES = (Scope.JOBS_WRITE, Scope.JOBS_READ, Scope.OBJECTS_READ)
"""the scopes of whoever uses Vidferry and doesn't operate it"""
OWNER = re.compile(r"[A-Za-z0-9._@-]{1,64}")
"""the whole name of an owner; the empty text is no owner, but open access"""

_KNOWN = frozenset(scope.value for scope in Scope)


def parse_scopes(words: Iterable[str]) -> tuple[Scope, ...]:
    """The scopes of these names, each once. Raises ValueError, with a sentence, if one is unknown."""
    found = tuple(dict.fromkeys(words))
    if not _KNOWN.issuperset(found):
        raise ValueError(f"must name scopes. These are {', '.join(Scope)}")
    return tuple(map(Scope, found))


def known_scopes(words: Iterable[str]) -> frozenset[Scope]:
    """Those of the words that are scopes; a token also has words that mean something to others."""
    return frozenset(Scope(word) for word in words if word in _KNOWN)
