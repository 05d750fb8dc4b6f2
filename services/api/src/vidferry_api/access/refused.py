"""Why a request is not let in, and what it is answered with (RFC 6750 §3).

All that is wrong with a key or token gets the same answer. The reason is in the log and the metrics.
"""

from vidferry_api.http.problems import Problem
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.scopes import Scope
from vidferry_common.metrics.catalogue import AccessRefusal

_REALM = 'Bearer realm="vidferry"'
_NOTHING_SENT = {AccessRefusal.MISSING}


class AccessRefused(Exception):
    """A request without a valid key or token."""

    def __init__(self, reason: AccessRefusal) -> None:
        super().__init__(reason)
        self.reason = reason

    def problem(self) -> Problem:
        """What the request is answered with."""
        if self.reason is AccessRefusal.ISSUER_UNAVAILABLE:
            return Problem(
                ProblemCode.ISSUER_UNAVAILABLE, "The token can't be checked now. Try again in a few seconds."
            )
        error = "" if self.reason in _NOTHING_SENT else ', error="invalid_token"'
        return Problem(
            ProblemCode.UNAUTHENTICATED,
            "Send a valid API key or token in the header Authorization: Bearer.",
            headers={"WWW-Authenticate": f"{_REALM}{error}"},
        )


def scope_problem(scope: Scope) -> Problem:
    """The response to a valid key or token without the scope that the request needs."""
    return Problem(
        ProblemCode.FORBIDDEN,
        f"Use an API key or token with the scope {scope}.",
        headers={"WWW-Authenticate": f'{_REALM}, error="insufficient_scope", scope="{scope}"'},
    )
