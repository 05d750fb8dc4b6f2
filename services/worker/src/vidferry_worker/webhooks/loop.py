"""Builds what delivers webhooks in a worker."""

from collections.abc import Coroutine
from typing import Any

from vidferry_common.store import Store, connect_redis
from vidferry_common.store.client import connection_name
from vidferry_common.tracing import Tracer
from vidferry_worker.metrics import WorkerMetrics
from vidferry_worker.network.broker import Broker
from vidferry_worker.settings import WorkerSettings
from vidferry_worker.tasks.task_loop import TaskLoop
from vidferry_worker.webhooks.delivery import Deliverer
from vidferry_worker.webhooks.secrets import SigningSecrets
from vidferry_worker.webhooks.sender import WebhookSender, make_tls_context

HOLD_SECONDS = 30.0
"""after which another worker takes over from one that died; longer than a request may take"""
MAX_CONNECTIONS = 16
"""to Redis: of its own, so that messages and leases of downloads wait for none of these"""


def webhook_coroutines(
    settings: WorkerSettings, broker: Broker, metrics: WorkerMetrics, tracer: Tracer
) -> dict[str, Coroutine[Any, Any, None]]:
    """What runs as long as the worker does, by name. The broker is not the children's: what receivers' name servers
    hold up is held up for receivers alone.
    """
    secrets = SigningSecrets(settings.access_keys_file, settings.open_webhook_secrets)
    return {
        "webhooks": _deliver_webhooks(settings, broker, metrics, secrets, tracer),
        "webhook secrets": secrets.watch(),
    }


async def _deliver_webhooks(
    settings: WorkerSettings, broker: Broker, metrics: WorkerMetrics, secrets: SigningSecrets, tracer: Tracer
) -> None:
    """Until cancelled."""
    redis = connect_redis(settings, connection_name("worker", "webhooks"), MAX_CONNECTIONS)
    store = Store(redis, settings.record_seconds, settings.ended_limits)
    sender = WebhookSender(broker, make_tls_context(), allow_http=settings.webhook_http)
    slots = settings.webhook_slots
    deliverer = Deliverer(store.deliveries, secrets, sender, metrics, slots, tracer)
    loop = TaskLoop(store.deliveries, deliverer.deliver, slots=slots, hold=HOLD_SECONDS, take=deliverer.take)
    try:
        await loop.run()
    finally:
        await store.close()
