"""What happens to the cast: kills, freezes, cuts and deploys, drawn from a seed."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable

from system.chaos.cast import GATEWAYS, LEASE, WORKERS, Cast
from vidferry_common.store import RedisSettings, connect_redis

PAUSE = (0.5, 4.0)
"""seconds between two strokes"""

Stroke = Callable[["Monkey"], Awaitable[None]]


class Monkey:
    """Strikes until its time is over; what it struck is alive again after each stroke."""

    def __init__(self, cast: Cast, rng: random.Random) -> None:
        self._cast, self._rng = cast, rng
        self.struck: Counter[str] = Counter()
        self._strokes = STROKES | {name: (BUCKET_WEIGHT, _of_bucket(name)) for name in cast.bucket.strokes}

    async def run(self, seconds: float) -> None:
        clock = asyncio.get_running_loop().time
        until = clock() + seconds
        while clock() < until:
            await asyncio.sleep(self._rng.uniform(*PAUSE))
            (name,) = self._rng.choices(list(self._strokes), weights=[weight for weight, _ in self._strokes.values()])
            print(f"{seconds - (until - clock()):6.1f} s  {name}", flush=True)
            await self._strokes[name][1](self)
            self.struck[name] += 1

    async def kill_worker(self) -> None:
        await asyncio.to_thread(self._cast.replace_worker, self._rng.randrange(WORKERS), signal.SIGKILL)

    async def deploy_worker(self) -> None:
        await asyncio.to_thread(self._cast.replace_worker, self._rng.randrange(WORKERS), signal.SIGTERM)

    async def freeze_worker(self) -> None:
        worker = self._cast.workers[self._rng.randrange(WORKERS)]
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(self._rng.uniform(0.2, 3 * LEASE))
        worker.signal(signal.SIGCONT)

    async def kill_gateway(self) -> None:
        await asyncio.to_thread(self._cast.replace_gateway, self._rng.randrange(GATEWAYS), signal.SIGKILL)

    async def deploy_gateway(self) -> None:
        await asyncio.to_thread(self._cast.replace_gateway, self._rng.randrange(GATEWAYS), signal.SIGTERM)

    async def kill_api(self) -> None:
        await asyncio.to_thread(self._cast.api.kill)
        await asyncio.to_thread(self._cast.api.start)

    async def kill_redis(self) -> None:
        self._cast.redis.kill()
        await asyncio.sleep(self._rng.uniform(0, 2 * LEASE))
        await asyncio.to_thread(self._cast.redis.start)

    async def freeze_redis(self) -> None:
        self._cast.redis.freeze()
        await asyncio.sleep(self._rng.uniform(0.2, 2 * LEASE))
        self._cast.redis.thaw()

    async def cut_connections(self) -> None:
        """All that Redis has, in the midst of whatever they carry."""
        client = connect_redis(RedisSettings.model_validate({"redis_url": self._cast.redis.url}))
        for kind in ("normal", "pubsub"):
            await client.client_kill_filter(_type=kind, skipme=True)
        await client.aclose(close_connection_pool=True)


def _of_bucket(name: str) -> Stroke:
    async def strike(monkey: Monkey) -> None:
        monkey._cast.bucket.strokes[name](monkey._rng)

    return strike


BUCKET_WEIGHT = 4
STROKES: dict[str, tuple[int, Stroke]] = {
    "a worker is killed": (5, Monkey.kill_worker),
    "a worker is deployed": (3, Monkey.deploy_worker),
    "a worker is frozen and wakes up": (4, Monkey.freeze_worker),
    "a gateway is killed": (3, Monkey.kill_gateway),
    "a gateway is deployed": (2, Monkey.deploy_gateway),
    "the api is killed": (1, Monkey.kill_api),
    "Redis is killed and restarted": (2, Monkey.kill_redis),
    "Redis is frozen": (2, Monkey.freeze_redis),
    "all of Redis's connections are cut": (4, Monkey.cut_connections),
}
