"""`POST /api/probes`."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from vidferry_api.dependencies import AccessFirst, ServicesDep, WriterDep
from vidferry_api.jobs.create import JobCreatorDep, JobRequest
from vidferry_api.jobs.openapi import TRACEPARENT, creation_responses
from vidferry_api.jobs.schemas import Job
from vidferry_api.probes.schemas import ProbeRequest
from vidferry_api.probes.wait import DEFAULT_SECONDS, ProbeWait, wait_for_end
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.priority import Priority

router = APIRouter(route_class=AccessFirst)

RESPONSES = creation_responses(
    ProblemCode.INVALID_JSON,
    ProblemCode.BODY_TOO_LARGE,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE,
    ProblemCode.INVALID_URL,
)


@router.post(
    "/api/probes",
    tags=["probes"],
    operation_id="createProbe",
    summary="Look at a URL",
    response_model=Job,
    responses={
        **RESPONSES,
        200: {
            **RESPONSES[202],
            "description": "The probe has ended: `probe` tells what it found, or `error` why it failed.",
        },
        202: {**RESPONSES[202], "description": "The probe goes on: read or watch its job.", "model": Job},
    },
    openapi_extra={"parameters": [TRACEPARENT]},
)
async def post_probe(
    body: ProbeRequest,
    creator: JobCreatorDep,
    request: Request,
    services: ServicesDep,
    principal: WriterDep,
    wait: ProbeWait = DEFAULT_SECONDS,
) -> JSONResponse:
    """Tells what a URL leads to without fetching it: title, duration, formats, subtitles, the entries of a list, and
    what a download would fetch.

    A probe is a job: it has a status, watchers and a place in the lists, and can be cancelled. Probes don't wait behind
    downloads. What was found is kept for ten minutes, and another probe of the same URL and format is answered with it.
    """
    asked = JobRequest(
        body.url,
        body.format,
        Priority.INTERACTIVE,
        force=False,
        external_id=body.external_id,
        metadata=body.metadata,
        credential=body.credential or "",
    )
    created = await creator.create_probe(asked)
    assert created.job is not None  # create() raises otherwise
    return creator.describe(created, await wait_for_end(created.job, wait, request, services, principal))
