"""What each route asks of whoever sends a request: a scope, or nothing. The OpenAPI document and a test read it."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from vidferry_common.contract.scopes import Scope

C = TypeVar("C", bound=Callable[..., object])

_SCOPE, _PUBLIC = "vidferry_scope", "vidferry_public"


def requiring(scope: Scope, dependency: C) -> C:
    """Marks a dependency that lets only principals with this scope through."""
    setattr(dependency, _SCOPE, scope)
    return dependency


def public(endpoint: C) -> C:
    """Marks a route that needs no key: what it tells anybody may know, or it checks something else."""
    setattr(endpoint, _PUBLIC, True)
    return endpoint


def required_scopes(route: BaseRoute) -> frozenset[Scope]:
    """The scopes that a route asks for, itself or by what it depends on."""
    return frozenset(_scopes_in(route.dependant)) if isinstance(route, APIRoute) else frozenset()


def is_public(route: BaseRoute) -> bool:
    return getattr(getattr(route, "endpoint", None), _PUBLIC, False) is True


def _scopes_in(dependant: Dependant) -> Iterator[Scope]:
    if scope := getattr(dependant.call, _SCOPE, None):
        yield scope
    for each in dependant.dependencies:
        yield from _scopes_in(each)
