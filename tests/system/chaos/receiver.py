"""A receiver that refuses half of its requests, by an error or by a cut connection."""

import random
from dataclasses import dataclass
from typing import Any

from standardwebhooks import WebhookVerificationError

from support.receiver import ACCEPTED, Received, Receiver, answer

REFUSALS = (0, 1, 2), (1, 4, 1)
"""How often an event is refused before it is accepted, and how likely that is: once on average, so half of all requests
are refused. After a third refusal the product waits for up to 160 s."""
FAULTS = (answer(500), answer(503, "Retry-After: 2"), answer(404), b"HTTP/1.1 204 No", b"")
"""the last two are cut: amid the answer, and before it"""


@dataclass(frozen=True)
class Request:
    """A request for an event, as it came."""

    received: Received
    event: dict[str, Any]
    """empty where the signature is not valid"""
    accepted: bool


class FaultyReceiver(Receiver):
    """The receiver of one owner."""

    def __init__(self, secret: str, rng: random.Random) -> None:
        super().__init__(self._answer)
        self.secret, self._rng = secret, rng
        self.requests: list[Request] = []
        self._refusals_left: dict[str, int] = {}

    def _answer(self, received: Received) -> bytes:
        try:
            event = received.verify(self.secret)
        except WebhookVerificationError:
            event = {}
        event_id = received.headers.get("webhook-id", "")
        left = self._refusals_left.setdefault(event_id, self._rng.choices(*REFUSALS)[0])
        self._refusals_left[event_id] = left - 1
        self.requests.append(Request(received, event, accepted=left <= 0))
        return self._rng.choice(FAULTS) if left > 0 else ACCEPTED
