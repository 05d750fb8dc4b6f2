"""`GET /api/objects`: what is in the bucket, by the index."""

from typing import Any

from vidferry_api.access.principal import Principal, Scope
from vidferry_api.dependencies import Services
from vidferry_api.http.parameters import page_token_problem
from vidferry_api.http.problems import Problem
from vidferry_api.objects.document import object_document
from vidferry_api.objects.schemas import ObjectQuery
from vidferry_api.partitions import check_credential, partition_for
from vidferry_api.settings import ObjectSharing
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.identity import partition_of
from vidferry_common.origins import registered_site
from vidferry_common.store import ObjectFilter, ObjectPlace
from vidferry_common.store.object_index import InvalidObjectPlace


async def list_objects(query: ObjectQuery, services: Services, principal: Principal, root: str) -> dict[str, Any]:
    """The page of the list; root is the public root. Raises Problem if the token is not of a list with this filter."""
    which = ObjectFilter(
        partition=_partition(query, principal, services),
        site=registered_site(query.site),
        title_prefix=query.title_prefix,
        stored_after=query.stored_after,
        stored_before=query.stored_before,
    )
    index = services.store.object_index
    is_complete = await index.is_complete()
    page = await index.read_page(which, query.page_size, _parse_page_token(query.page_token, which))
    return {
        "objects": [object_document(entry, root, services.tickets) for entry in page.entries],
        "complete": is_complete,
        "next_page_token": page.next_place.token(which) if page.next_place else "",
    }


def _partition(query: ObjectQuery, principal: Principal, services: Services) -> str | None:
    """The part of the bucket that is listed; None: all. Raises Problem if the principal does not see it."""
    owner = query.owner
    if query.credential:
        whose = principal.owner if owner is None else owner
        _check_owner(whose, principal)
        check_credential(query.credential, whose, services)
        return partition_for(whose, query.credential, services)
    if owner is None:
        return None if principal.all_owners else partition_for(principal.owner, "", services)
    shared = not owner and services.settings.share_objects is ObjectSharing.ALL
    if not shared:
        _check_owner(owner, principal)
    return partition_of(owner)


def _check_owner(owner: str, principal: Principal) -> None:
    """Raises Problem if the jobs of that owner don't exist for the principal."""
    if not principal.sees(owner):
        raise Problem(
            ProblemCode.FORBIDDEN, f"Leave `owner` out, or use an API key or token with the scope {Scope.ADMIN}."
        )


def _parse_page_token(token: str, which: ObjectFilter) -> ObjectPlace | None:
    try:
        return ObjectPlace.parse(token, which) if token else None
    except InvalidObjectPlace:
        raise page_token_problem() from None
