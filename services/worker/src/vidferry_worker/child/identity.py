"""The identity of the video that yt-dlp found: who named it, and by which id."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from vidferry_common.contract.identity import Identity, site_of

# Extractors whose id is a base name, which two URLs of one site may share: those that call _generic_id
# (yt_dlp/extractor/common.py; a test compares), and QuotedHTML, which takes its ids from the page around it.
EXTRACTORS_WITHOUT_IDS = frozenset(
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

# Extractors whose id is unique only within a part of the site: the number of a message in a channel, a name that an
# account has chosen, the last digits of an article's name. Videos of other people may have the same id.
EXTRACTORS_WITH_PARTIAL_IDS = frozenset(
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
class ExtractionStep:
    """A URL that was given to an extractor."""

    url: str
    extractor: str
    """the extractor's key"""
    is_described: bool = False
    """whether the step before adds its own description to the result (yt-dlp's url_transparent)"""


@dataclass(slots=True)
class ExtractionTrail:
    """The URLs and redirects by which yt-dlp got from the caller's URL to the video."""

    extractors: Collection[str] = ()
    """keys of the extractors for the URL's site that name videos by ids; empty where only the generic one reads it"""
    steps: list[ExtractionStep] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    """by the URL that was requested: the URL that it was redirected to"""

    @property
    def site(self) -> str:
        return site_of(self.steps[0].url)

    def note_redirect(self, asked: str, answered: str) -> None:
        if asked != answered and self.steps:
            self.redirects[without_fragment(asked)] = without_fragment(answered)

    def is_named_by_site(self, extractor: str) -> bool:
        """Whether only the site of the caller's URL has named the video."""
        return (
            extractor in self.extractors
            and all(each.extractor in self.extractors and self._is_on_site(each) for each in self.steps)
            and not any(
                site_of(asked) == self.site and not _is_within(answered, self.site)
                for asked, answered in self.redirects.items()
            )
        )

    def last_own_page(self) -> str:
        """The last URL that the site itself has led to, by a redirect or by its own extractor."""
        last = self.steps[0]
        for before, after in pairwise(self.steps):
            is_redirect = self.redirects.get(without_fragment(before.url)) == without_fragment(after.url)
            is_own = before.extractor in self.extractors and after.extractor in self.extractors
            if not self._is_on_site(after) or not (is_redirect or is_own):
                break
            last = after
        return without_fragment(last.url)

    def _is_on_site(self, step: ExtractionStep) -> bool:
        return site_of(step.url) == self.site and not step.is_described


def identify_video(info: Mapping[str, Any], trail: ExtractionTrail) -> Identity:
    """The identity of the extracted video.

    The id counts for the whole site only where the site's own extractors led to it. A video that a page embeds or links
    to gets the page's name: the page's author may have chosen where the video comes from.
    """
    extractor = str(info.get("extractor_key") or "Generic")
    if extractor in EXTRACTORS_WITHOUT_IDS:
        return Identity.of_url(trail.last_own_page())
    page = "" if trail.is_named_by_site(extractor) else trail.last_own_page()
    return Identity(extractor.lower(), trail.site, str(info["id"]), page=page)


def without_fragment(url: str) -> str:
    return url.partition("#")[0]


def _is_within(url: str, site: str) -> bool:
    found = site_of(url)
    return found == site or found.endswith(f".{site}")
