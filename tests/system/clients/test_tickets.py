"""The documented clients where access isn't open: they renew a ticket that has expired, and go on where they were."""

import time
from pathlib import Path

from support.gateway_fixtures import StartGateway
from support.redis_server import RedisServer
from support.tickets import ACCESS, expired_ticket, signer, watch_ticket
from support.watchers import STEPS, Watcher
from system.clients.conftest import StartWatcher
from system.clients.front import Front
from system.clients.watchers import Python
from system.clients.world import World
from vidferry_common.contract.tickets import Purpose


def test_an_expired_ticket_is_renewed_and_nothing_is_missed(
    start_watcher: StartWatcher, told: World, start_gateway: StartGateway, shared_redis: RedisServer
) -> None:
    gateway = start_gateway(shared_redis.url, **ACCESS)
    gateway.wait_for("connected to Redis")
    job_id = told.job.id
    brief = signer(lifetime=20).make_job_ticket(Purpose.WATCH, job_id, time.time() - 15)
    with Front(told.portal, gateway.port) as front:
        watcher = start_watcher(
            f"{front.url(job_id)}?ticket={brief}", f"{front.url(job_id)}?ticket={watch_ticket(job_id)}"
        )
        told.steps(0, 4)
        watcher.wait_for_steps(4)
        while Watcher(gateway.uri(job_id, f"?ticket={brief}")).leave().close_code != 4401:
            pass  # the ticket ends by the clock; the socket that is open stays

        told.steps(4, 5)
        watcher.wait_for_steps(5)
        front.cut()
        told.steps(5, 11)
        watcher.wait_for_steps(11)
        told.finish()
        watcher.wait_for_end()
    assert watcher.steps() == STEPS
    assert watcher.ends() == 1
    assert gateway.logged("refused", code=4401), "it came back with the old ticket first"


def test_without_a_way_to_renew_it_the_program_says_what_to_do(
    told: World, start_gateway: StartGateway, shared_redis: RedisServer, tmp_path: Path
) -> None:
    gateway = start_gateway(shared_redis.url, **ACCESS)
    gateway.wait_for("connected to Redis")
    job_id = told.job.id
    for query, said in (
        (f"?ticket={expired_ticket(Purpose.WATCH, job_id)}",
         "The ticket has expired. Read the job again, and use its new ws_url. Refused: 4401\n"),
        ("", "The ticket is missing or wrong. Use the whole ws_url. Refused: 4501\n"),
    ):  # fmt: skip
        program = Python(tmp_path, gateway.uri(job_id, query), driver="")
        program.wait_for_end()
        assert program.process.returncode == 1
        assert program.close() == said
