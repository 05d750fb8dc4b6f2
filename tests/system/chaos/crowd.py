"""The people of a run: who asks for what, drawn from a seed."""

import random
from typing import Any

from support.origin.wire import Reply, text
from system.chaos.caller import Caller
from system.chaos.cast import Cast, Owner
from system.chaos.person import Collector, Downloader, Person, Prober
from system.chaos.watched_job import Webhook
from vidferry_common.contract.webhooks import EventType

SOURCES = (
    "slow/clip.mp4?rate=300000", "slow/clip.mp4?rate=1000000", "media/clip.mp4", "hls/master.m3u8",
    "slow-hls/400000/master.m3u8", "dash/manifest.mpd", "page", "flaky/clip.mp4?times=1",
)  # fmt: skip
LISTED = ("slow/clip.mp4?rate=1000000&n={}", "media/clip.mp4?n={}", "page?n={}")
"""entries of a playlist"""
NOTHING = "status/404"
NOT_A_URL = "no URL"
UNUSABLE = "x" * 3000
"""a path that makes a URL too long"""
BATCHES, PROBES = 0.1, 0.2
"""their shares of all requests"""
ENTRIES = 2, 6
"""of a batch"""
SOME_EVENTS = (EventType.JOB_COMPLETED, EventType.BATCH_COMPLETED), (EventType.JOB_FAILED, EventType.JOB_CANCELLED)


class Crowd:
    """Draws people. Most want a video of their own, some one that others want as well; some give up."""

    def __init__(self, running: Cast, rng: random.Random) -> None:
        self._running, self._rng = running, rng
        self._urls: list[str] = []
        """of videos that somebody wants"""
        self._webhooks = 0

    def draw(self, count: int) -> list[Person]:
        """So many people, in the order in which they come."""
        batches, probes = round(BATCHES * count), round(PROBES * count)
        people: list[Person] = [self._draw_downloader() for _ in range(count - batches - probes)]
        people += [self._draw_collector(number % 2 == 0) for number in range(batches)]
        people += [self._draw_prober(number) for number in range(probes)]
        self._rng.shuffle(people)
        return people

    def _draw_url(self) -> str:
        """In a quarter of the cases one that is wanted already."""
        if not self._urls or self._rng.random() < 0.75:
            site = self._running.origin.site(f"{self._rng.getrandbits(64):016x}")
            self._urls.append(site.url(f"/{self._rng.choice(SOURCES)}"))
            return self._urls[-1]
        return self._rng.choice(self._urls)

    def _draw_person(self) -> dict[str, Any]:
        owner = self._rng.choice(self._running.owners)
        webhook, said = self._draw_webhook(owner)
        return {
            "caller": Caller(self._running, owner),
            "rng": random.Random(self._rng.getrandbits(64)),
            "webhook": webhook,
            "said_of_webhook": said,
            "gives_up": self._rng.random() < 0.1,
        }

    def _draw_webhook(self, owner: Owner) -> tuple[Webhook | None, dict[str, Any]]:
        """One, and what a request says of it. Each that is named has a URL of its own, which tells the events apart."""
        if self._rng.random() < 0.3:
            return None, {"webhook": {"events": []}} if owner.has_usual_url else {}
        if owner.has_usual_url and self._rng.random() < 0.5:
            return Webhook(owner.receiver.url, frozenset(EventType)), {}
        self._webhooks += 1
        url = f"{owner.receiver.url}&n={self._webhooks}"
        if self._rng.random() < 0.6:
            return Webhook(url, frozenset(EventType)), {"webhook": {"url": url}}
        events = self._rng.choice(SOME_EVENTS)
        return Webhook(url, frozenset(events)), {"webhook": {"url": url, "events": list(events)}}

    def _draw_downloader(self) -> Downloader:
        return Downloader(url=self._draw_url(), **self._draw_person())

    def _draw_collector(self, of_playlist: bool) -> Collector:
        count = self._rng.randint(*ENTRIES)
        if of_playlist:
            url, expected = self._make_playlist(count)
            source: dict[str, Any] = {"playlist": url}
            expected = list(dict.fromkeys(expected))
        else:
            expected = [self._draw_url() for _ in range(count)]
            if self._rng.random() < 0.3:
                expected.insert(self._rng.randrange(count), NOT_A_URL)
            source = {"urls": expected}
        return Collector(source=source, expected=expected, **self._draw_person())

    def _make_playlist(self, count: int) -> tuple[str, list[str]]:
        """A feed on a site of its own: with an entry that stands there twice, and with one that can't be a job's. Half
        of the feeds can't be read at first. The URL, and those of the entries.
        """
        site = self._running.origin.site(f"{self._rng.getrandbits(64):016x}")
        paths = [self._rng.choice(LISTED).format(number) for number in range(count)]
        paths.insert(self._rng.randrange(count), UNUSABLE)
        paths.append(self._rng.choice(paths))
        url = site.put(
            "/feed", *([text("not now\n", status=503)] if self._rng.random() < 0.5 else []), make_feed(paths)
        )
        entries = [site.url(f"/{path}") for path in paths]
        self._urls += [each for each in entries if not is_unusable(each)]
        return url, entries

    def _draw_prober(self, number: int) -> Prober:
        """Of a video, of a list, or of nothing."""
        url = self._draw_url()
        listed: list[str] = []
        if number % 5 == 0:
            url, listed = self._make_playlist(self._rng.randint(*ENTRIES))
        elif number % 5 == 1:
            url = self._running.origin.site(f"{self._rng.getrandbits(64):016x}").url(f"/{NOTHING}")
        return Prober(url=url, listed=listed, waits=self._rng.random() < 0.5, **self._draw_person() | {"webhook": None})


def is_unusable(url: str) -> bool:
    """Whether no job can be made of it."""
    return url == NOT_A_URL or url.endswith(UNUSABLE)


def make_feed(paths: list[str]) -> Reply:
    """Of these videos, by their paths from the feed's folder."""
    items = "".join(
        f"<item><title>{number}</title><enclosure url='{path.replace('&', '&amp;')}' type='video/mp4'/></item>"
        for number, path in enumerate(paths)
    )
    return text(f'<?xml version="1.0"?><rss version="2.0"><channel><title>Piers</title>{items}</channel></rss>', "xml")
