"""`GET /api/jobs`: an owner's jobs, the newest first, or a batch's. Bulk methods choose jobs by the same filters."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from vidferry_api.access.principal import Principal, Scope
from vidferry_api.dependencies import Services
from vidferry_api.http.parameters import (
    DEFAULT_PAGE,
    MAX_HOST,
    MAX_PAGE,
    MAX_TOKEN,
    OWNER_PATTERN,
    Moment,
    page_token_problem,
)
from vidferry_api.http.problems import Problem
from vidferry_api.jobs.document import add_tickets, job_document
from vidferry_api.jobs.labels import MAX_EXTERNAL_ID
from vidferry_api.jobs.schemas import Job
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.kinds import JobKind
from vidferry_common.contract.stages import Status
from vidferry_common.origins import registered_domain
from vidferry_common.store import InvalidPlace, JobFilter, Place


def _split_commas(given: Any) -> Any:
    """`status=a,b` is as good as `status=a&status=b`."""
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, list):
        return given
    return [part for each in given for part in (each.split(",") if isinstance(each, str) else [each])]


def _normalize_id(given: str) -> str:
    try:
        return str(UUID(given))
    except ValueError:
        raise ValueError("must be the id of a batch") from None


BatchId = Annotated[
    str, AfterValidator(_normalize_id), Field(max_length=64), WithJsonSchema({"type": "string", "format": "uuid"})
]


class JobFilterFields(BaseModel):
    """Which jobs. A field that is left out excludes none."""

    model_config = ConfigDict(extra="forbid")

    status: Annotated[list[Status], BeforeValidator(_split_commas)] = Field(
        default=[], max_length=20, description="One status or several: repeated, or separated by commas."
    )
    kind: JobKind | None = Field(default=None, description="The kind of the jobs.")
    batch: BatchId | None = Field(
        default=None,
        description="The id of a batch: the jobs that it has made, in the order of its entries. For a batch of another "
        "owner, name its `owner` too.",
    )
    site: str = Field(
        default="",
        max_length=MAX_HOST,
        description="The site of the job's URL, such as `example.co.uk`. A host counts as its registered domain.",
    )
    external_id: str | None = Field(
        default=None, min_length=1, max_length=MAX_EXTERNAL_ID, description="The external id of the jobs."
    )
    created_after: Moment | None = Field(default=None, description="RFC 3339: jobs that were created then or later.")
    created_before: Moment | None = Field(default=None, description="RFC 3339: jobs that were created earlier.")
    owner: str | None = Field(
        default=None,
        max_length=64,
        pattern=OWNER_PATTERN,
        description="The owner of the jobs, by default the caller. Other owners require the scope `admin`.",
    )

    def filter_for(self, principal: Principal) -> JobFilter:
        """The filter, for jobs of one owner. Raises Problem if the principal does not see those."""
        owner = principal.owner if self.owner is None else self.owner
        if not principal.sees(owner):
            raise Problem(
                ProblemCode.FORBIDDEN, f"Leave `owner` out, or use an API key or token with the scope {Scope.ADMIN}."
            )
        return JobFilter(
            owner=owner,
            statuses=frozenset(self.status),
            kind=self.kind,
            batch=self.batch or "",
            site=registered_domain(self.site) if self.site else "",
            external_id=self.external_id,
            created_after=self.created_after,
            created_before=self.created_before,
        )


class ListQuery(JobFilterFields):
    """The query of a list."""

    page_size: int = Field(default=DEFAULT_PAGE, ge=1, le=MAX_PAGE, description="The most jobs to return.")
    page_token: str = Field(
        default="",
        max_length=MAX_TOKEN,
        description="The `next_page_token` of the page before, with the same filters. `page_size` may differ.",
    )


class JobList(BaseModel):
    """One page of a list, the newest job first; of a batch's jobs, in the order of its entries."""

    jobs: list[Job] = Field(
        description="May be fewer than `page_size`, and even none, while more follow: see `next_page_token`."
    )
    next_page_token: str = Field(description="Where the list goes on; empty at its end.")


async def list_jobs(query: ListQuery, services: Services, principal: Principal, root: str) -> dict[str, Any]:
    """The page of the list; root is the public root. Raises Problem if the token is not of a list with this filter."""
    which = query.filter_for(principal)
    after = parse_page_token(query.page_token, which)
    page = await services.store.job_lists.read_page(which, query.page_size, after)
    return {
        "jobs": [add_tickets(job_document(job, root), services.tickets) for job in page.jobs],
        "next_page_token": page.next_place.token(which) if page.next_place else "",
    }


def parse_page_token(token: str, which: JobFilter) -> Place | None:
    """The place that the token names; None without a token. Raises Problem if the token was not made for the filter."""
    try:
        return Place.parse(token, which) if token else None
    except InvalidPlace:
        raise page_token_problem() from None
