"""The principal of a request: who it is, what it may do, and within which limits."""

from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class OwnerLimits:
    """The limits of an owner or of one key; 0 and an empty text: no limit."""

    requests_per_minute: int = 0
    jobs_waiting: int = 0
    jobs_running: int = 0
    bytes_per_day: int = 0
    max_duration: int = 0
    """seconds of one video"""
    max_bytes: int = 0
    """of one file"""
    max_quality: str = ""
    """the best quality that may be asked for, such as `1080p`"""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request comes from."""

    owner: str
    """whose the jobs are that it creates; empty where access is open"""
    name: str
    """of the key or the user, for logs"""
    scopes: frozenset[Scope]
    limits: OwnerLimits = field(default_factory=OwnerLimits)
    all_owners: bool = False
    """whether it sees the jobs of every owner"""

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def sees(self, owner: str) -> bool:
        """Whether jobs of that owner exist for it."""
        return self.all_owners or owner == self.owner


ANYBODY = Principal(owner="", name="anybody", scopes=frozenset(Scope), all_owners=True)
"""The principal of every request where VIDFERRY_ACCESS is `none`."""

TICKET_HOLDER = Principal(owner="", name="ticket", scopes=frozenset(), all_owners=True)
"""The principal of a request with a ticket for the one job that it asks for, whose owner gave the ticket away."""
