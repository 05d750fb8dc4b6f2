"""Each documented client through one job's troubles: every step once, in order, and one end."""

import time

from support.gateway_fixtures import StartGateway
from support.redis_server import RedisServer
from support.services import Gateway
from support.watchers import STEPS
from system.clients.conftest import StartWatcher
from system.clients.front import Front
from system.clients.world import World

OUTAGE = 2.0
"""seconds"""


def test_a_cut_a_dead_network_a_drain_and_an_outage(
    start_watcher: StartWatcher, told: World, start_gateway: StartGateway, shared_redis: RedisServer
) -> None:
    first, second = (_gateway(start_gateway, shared_redis) for _ in range(2))
    with Front(told.portal, first.port, second.port) as front:
        watcher = start_watcher(front.url(told.job.id))
        told.steps(0, 2)
        watcher.wait_for_steps(2)

        front.cut()
        told.steps(2, 4)
        watcher.wait_for_steps(4)

        front.hang()
        told.steps(4, 6)
        watcher.wait_for_steps(6)

        first.terminate()
        told.steps(6, 7)
        assert first.wait() == 0, "nobody stayed with it"
        watcher.wait_for_steps(7)

        second.close()
        began = time.monotonic()
        told.steps(7, 9)
        front.wait_for(lambda: front.refused > 0 and time.monotonic() - began > OUTAGE)
        front.targets = [_gateway(start_gateway, shared_redis).port]
        watcher.wait_for_steps(9)

        told.steps(9, 11)
        told.finish()
        watcher.wait_for_end()
    assert watcher.steps() == STEPS
    assert watcher.ends() == 1


def _gateway(start: StartGateway, redis: RedisServer) -> Gateway:
    gateway = start(
        redis.url, gateway_ping_seconds="1", gateway_pong_seconds="0.9", gateway_close_seconds="1",
    )  # fmt: skip
    gateway.wait_for("connected to Redis")
    return gateway
