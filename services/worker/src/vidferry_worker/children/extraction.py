"""What a child found at a URL, as far as the worker accepts it."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from vidferry_common.contract.identity import Identity
from vidferry_common.text import remove_controls
from vidferry_common.urls import canonical_url
from vidferry_worker.children.identity import TrustedFacts, limit_identity
from vidferry_worker.children.protocol import FoundStream, VideoFound


@dataclass(frozen=True, slots=True)
class Extraction:
    """The video that an extraction found."""

    identity: Identity
    title: str
    duration: float | None
    source: str
    streams: Sequence[FoundStream]
    videos: int = 1
    """how many the page has"""
    other_urls: Sequence[str] = ()
    """of the others, in their canonical form"""
    title_from_url: bool = False
    """whether nothing but the URL names the video"""

    @classmethod
    def from_event(cls, event: VideoFound, facts: TrustedFacts) -> "Extraction":
        # Sites cut titles in the middle of a UTF-16 surrogate pair.
        title = remove_controls(event.title.encode(errors="replace").decode()).strip()
        return cls(
            limit_identity(Identity(**asdict(event.identity)), facts),
            title,
            event.duration,
            event.source,
            event.streams,
            max(event.videos, 1),
            _accept_urls(event.other_urls),
            event.title_from_url,
        )


def _accept_urls(urls: Iterable[str]) -> tuple[str, ...]:
    """The URLs that a job can be made of, in their canonical form: a child is not trusted, nor is its page."""
    accepted = []
    for url in urls:
        with suppress(ValueError):
            accepted.append(canonical_url(url))
    return tuple(dict.fromkeys(accepted))
