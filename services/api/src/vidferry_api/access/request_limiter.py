"""Counts the requests of each API key, over all apis."""

import math
import time
from dataclasses import dataclass
from typing import Any, cast

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter

from vidferry_api.access.principal import Principal
from vidferry_api.http.problems import Problem
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.identity import digest
from vidferry_common.store import StoreUnavailable
from vidferry_common.store.client import OutOfMemoryError, RedisClient, RedisError
from vidferry_common.store.jobs import MINUTE


@dataclass(frozen=True, slots=True)
class RequestQuota:
    """What an API key has left of its requests a minute."""

    rate: int
    remaining: int
    seconds: int
    """until one more is left than now"""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ (10th version)."""
        return {
            "RateLimit-Policy": f'"key";q={self.rate};w={MINUTE}',
            "RateLimit": f'"key";r={self.remaining};t={self.seconds}',
        }


class RequestLimiter:
    """Counts requests by a moving window: no minute, whenever it begins, has more than a key's limit."""

    def __init__(self, redis: RedisClient) -> None:
        # The api's own pool knows TLS, passwords and Sentinels; of the URL only the scheme is used then.
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=keys.KEY_REQUESTS,
            connection_pool=cast("Any", redis.connection_pool),
        )
        self._limiter = MovingWindowRateLimiter(storage)

    async def count_request(self, principal: Principal) -> RequestQuota | None:
        """Counts a request of a principal that has a limit. Returns what is left, None where nothing is counted.

        Raises Problem if nothing was left, and StoreUnavailable where Redis can't be asked: whatever the request is
        for, Redis is asked for that too, and a limit that ends with an outage would let everybody in at its worst
        moment. A Redis whose memory is full does not count: that leaves what reads, and it refuses new jobs itself.
        """
        rate = principal.limits.requests_per_minute
        if not rate:
            return None
        item, key = RateLimitItemPerMinute(rate), digest("key", principal.owner, principal.name)[:16]
        try:
            accepted = await self._limiter.hit(item, key)
            left = await self._limiter.get_window_stats(item, key)
        except OutOfMemoryError:
            return None
        except (RedisError, OSError) as error:
            raise StoreUnavailable(str(error) or type(error).__name__) from error
        seconds = min(MINUTE, max(1, math.ceil(left.reset_time - time.time())))
        quota = RequestQuota(rate, max(0, left.remaining), seconds)
        if not accepted:
            detail = f"Send at most {rate} requests per minute with this API key. Try again in {seconds} s."
            raise Problem(ProblemCode.RATE_LIMIT, detail, headers={"Retry-After": str(seconds), **quota.headers})
        return quota
