"""Two owners and an administrator, told apart by a header: what is made of keys is another test's subject."""

from fastapi.testclient import TestClient
from starlette.requests import Request

from vidferry_api.access.authenticator import Authenticator
from vidferry_api.access.principal import Principal, Scope

HEADER = "X-Test-Owner"
A, B, ADMIN, READER = ({HEADER: name} for name in ("team-a", "team-b", "admin", "reader"))
_WRITING = frozenset({Scope.JOBS_READ, Scope.JOBS_WRITE})


class HeaderAuthenticator(Authenticator):
    """Takes the owner from a header. `reader` reads the jobs of team-a, `admin` sees those of everybody."""

    async def identify(self, request: Request) -> Principal:
        name = request.headers[HEADER]
        if name == "reader":
            return Principal("team-a", name, frozenset({Scope.JOBS_READ}))
        if name == "admin":
            return Principal(name, name, frozenset({Scope.ADMIN}), all_owners=True)
        return Principal(name, name, _WRITING)


def tell_owners_apart(client: TestClient) -> TestClient:
    """The client of an app that is started, which from here on asks for the header."""
    services = client.app.state.services  # type: ignore[attr-defined]
    services.authenticator = HeaderAuthenticator(services.settings, services.metrics)
    return client
