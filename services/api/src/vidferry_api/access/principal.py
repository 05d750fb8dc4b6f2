"""The principal of a request: who it is, what it may do, and within which limits."""

from dataclasses import dataclass, field, fields
from typing import Any

from vidferry_common.contract.formats import Quality
from vidferry_common.contract.scopes import Scope
from vidferry_common.store import JobLimits

__all__ = ["ANYBODY", "OwnerLimits", "Principal", "Scope", "tighter_limits"]

_QUALITIES = list(Quality)
"""from the best to sound alone"""


@dataclass(frozen=True, slots=True)
class OwnerLimits(JobLimits):
    """The limits of an owner or of one key: those that its jobs are created under, and those that the api holds.

    0 and an empty text: no limit.
    """

    requests_per_minute: int = 0
    max_quality: str = ""
    """the best quality that may be asked for, such as `1080`"""


NO_LIMITS = OwnerLimits()


def tighter_limits(one: OwnerLimits, other: OwnerLimits) -> OwnerLimits:
    """Limits that keep to both."""
    pairs = {each.name: (getattr(one, each.name), getattr(other, each.name)) for each in fields(OwnerLimits)}
    return OwnerLimits(**{name: _tighter(*values) for name, values in pairs.items()})


def _tighter(one: Any, other: Any) -> Any:
    if not (one and other):
        return one or other
    return max(one, other, key=_quality_rank) if isinstance(one, str) else min(one, other)


def _quality_rank(quality: str) -> int:
    return _QUALITIES.index(Quality(quality))


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request comes from."""

    owner: str
    """whose the jobs are that it creates; empty where access is open"""
    name: str
    """of the key or the user, for logs; users' names begin with `oidc:` or `proxy:`"""
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


def principal_of(owner: str, name: str, scopes: frozenset[Scope], limits: OwnerLimits = NO_LIMITS) -> Principal:
    """The principal of a key or a user. With the scope `admin` it sees the jobs of every owner."""
    return Principal(owner, name, scopes, limits, all_owners=Scope.ADMIN in scopes)
