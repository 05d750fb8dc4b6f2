"""`GET /api/access`: what a client needs to sign in."""

from fastapi import APIRouter

from vidferry_api.access.declared import public
from vidferry_api.dependencies import ServicesDep
from vidferry_api.sign_in.schemas import Access

router = APIRouter(tags=["access"])


@router.head("/api/access", include_in_schema=False)
@router.get("/api/access", operation_id="getAccess", summary="What a client needs to sign in")
@public
async def get_access(services: ServicesDep) -> Access:
    """Answers without a key, so that a client knows what to ask its user for."""
    return Access(mode=services.settings.access, issuer=services.settings.oidc_issuer or None)
