"""How long failures of a bucket are borne, and after which delays a request is tried again."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from vidferry_common.bucket.errors import StorageUnavailable
from vidferry_common.bucket.health import Health


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """For how long, and after which delays, an upload or a call is tried again. All in seconds."""

    without_progress: float = 120
    first_delay: float = 0.25
    longest_delay: float = 16


class Patience:
    """The patience with one upload or one call. Any progress renews it."""

    def __init__(self, policy: RetryPolicy, health: Health, pause: Callable[[float], None]) -> None:
        """Pause waits for so many seconds; it may raise to end the waiting."""
        self._policy, self._health, self._pause = policy, health, pause
        self._delay = policy.first_delay
        self._moved = monotonic()

    def renew(self) -> None:
        """The bucket has done something: what fails from now on is borne as long as the first failure."""
        self._moved, self._delay = monotonic(), self._policy.first_delay

    def excuse(self, seconds: float) -> None:
        """So many seconds of the time since the last progress were not the bucket's fault."""
        self._moved += seconds

    def wait(self, error: StorageUnavailable) -> None:
        """Waits until the next try; raises the error where there has been no progress for too long."""
        self._health.record_error(error)
        if monotonic() - self._moved > self._policy.without_progress:
            raise error
        # Jitter keeps many workers from coming back at one moment.
        self._pause(self._delay * random.uniform(0.5, 1))  # noqa: S311 - no secret
        self._delay = min(self._delay * 2, self._policy.longest_delay)
