"""The cookies that one child is lent, and what it means if the site refuses them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.children.protocol import Cookie

SIGNED_OUT = frozenset({ErrorCode.LOGIN_REQUIRED})
"""what a site that does not know its own cookies any more is reported as"""


@dataclass(frozen=True, slots=True)
class Loan:
    """Cookies for one child."""

    cookies: tuple[Cookie, ...]
    """none where all have expired"""
    file: str
    """where they are from, for logs; empty where the service has none for the site"""

    @contextmanager
    def blame_refusals(self) -> Iterator[None]:
        """Within it, a JobFailure because nobody is signed in says that the cookies are refused, if there are any."""
        try:
            yield
        except JobFailure as failure:
            if not self.file or failure.code not in SIGNED_OUT:
                raise
            detail = f"{self.file}: {failure.code}: {failure.detail}"
            raise JobFailure(ErrorCode.CREDENTIAL_REFUSED, detail, yt_dlp_version=failure.yt_dlp_version) from failure


NO_LOAN = Loan((), "")
