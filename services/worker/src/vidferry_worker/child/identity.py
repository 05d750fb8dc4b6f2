"""Which video yt-dlp found."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from vidferry_common.contract.identity import Identity, site_of

# Extractors whose id is a base name, which two addresses of one site may share: those that call _generic_id
# (yt_dlp/extractor/common.py; a test compares), and QuotedHTML, which takes its ids from the page around it.
BY_ADDRESS = frozenset(
    {
        "CamtasiaEmbed",
        "Generic",
        "HTML5MediaEmbed",
        "QuotedHTML",
        "Rtmp",
        "SenateGov",
        "WordpressMiniAudioPlayerEmbed",
        "WordpressPlaylistEmbed",
    }
)

# Extractors whose id is one within a part of the site, which the id does not name: a channel's number of a message, a
# name that an account has chosen, the last digits of an article's name. Other people's videos have the same.
WITHIN_A_PART = frozenset(
    {
        "Bluesky",
        "BrightcoveNew",
        "DTube",
        "ITProTV",
        "MDR",
        "Omnyfm",
        "TelegramEmbed",
        "ThePlatform",
        "ThreeSpeak",
    }
)


@dataclass(frozen=True, slots=True)
class Step:
    """One URL that an extractor was asked about."""

    url: str
    extractor: str
    """its key"""
    is_described: bool = False
    """whether the step before it goes on to describe what is found (yt-dlp's url_transparent)"""


@dataclass(slots=True)
class Trail:
    """How yt-dlp came from the URL that was sent to the video."""

    extractors: Collection[str] = ()
    """keys of those that read the site of the URL and name its videos by ids; none where only the generic one does"""
    steps: list[Step] = field(default_factory=list)
    answered_by: dict[str, str] = field(default_factory=dict)
    """by the address that was asked: the one that it led to, where that is another"""

    @property
    def site(self) -> str:
        return site_of(self.steps[0].url)

    def note_answer(self, asked: str, answered: str) -> None:
        if asked != answered and self.steps:
            self.answered_by[_plain(asked)] = _plain(answered)

    def is_of_site(self, extractor: str) -> bool:
        """Whether nobody but the site that was asked for has named the video."""
        return (
            extractor in self.extractors
            and all(each.extractor in self.extractors and self._is_here(each) for each in self.steps)
            and not any(
                site_of(asked) == self.site and not _is_within(answered, self.site)
                for asked, answered in self.answered_by.items()
            )
        )

    def page(self) -> str:
        """The last address on the way that the site itself has led to: by HTTP, or by an extractor of its own."""
        last = self.steps[0]
        for before, after in pairwise(self.steps):
            is_redirect = self.answered_by.get(_plain(before.url)) == _plain(after.url)
            is_own = before.extractor in self.extractors and after.extractor in self.extractors
            if not self._is_here(after) or not (is_redirect or is_own):
                break
            last = after
        return _plain(last.url)

    def _is_here(self, step: Step) -> bool:
        return site_of(step.url) == self.site and not step.is_described


def identify(info: Mapping[str, Any], trail: Trail) -> Identity:
    """The video that was extracted.

    Its id counts for the whole site only where all that led to it is the site's own. What a page embeds, or leads to,
    is named by the page: who made that may have chosen where the video comes from.
    """
    extractor = str(info.get("extractor_key") or "Generic")
    if extractor in BY_ADDRESS:
        return Identity.of_url(trail.page())
    page = "" if trail.is_of_site(extractor) else trail.page()
    return Identity(extractor.lower(), trail.site, str(info["id"]), page=page)


def _plain(url: str) -> str:
    return url.partition("#")[0]


def _is_within(url: str, site: str) -> bool:
    found = site_of(url)
    return found == site or found.endswith(f".{site}")
