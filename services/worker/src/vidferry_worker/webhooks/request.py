"""The request that carries an event, by the Standard Webhooks scheme. Pure but for the clock that it is given."""

from collections.abc import Sequence
from datetime import UTC, datetime

import orjson
from pydantic import SecretStr
from standardwebhooks import Webhook

from vidferry_common.contract.webhooks import event_id
from vidferry_common.store import OutboxEvent

USER_AGENT = "Vidferry-Webhooks"


def make_request(
    job_id: str, event: OutboxEvent, secrets: Sequence[SecretStr], now: float
) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body. The id and the body are the same at every try, the time and the signatures are not."""
    message = orjson.loads(event.message)
    data = message["data"]
    body = orjson.dumps({"type": event.type, "timestamp": data["timestamp"], "data": data})
    webhook_id, moment = event_id(job_id, event.seq), datetime.fromtimestamp(int(now), UTC)
    signatures = [Webhook(each.get_secret_value()).sign(webhook_id, moment, body.decode()) for each in secrets]
    headers = [
        ("User-Agent", USER_AGENT),
        ("Content-Type", "application/json"),
        ("Webhook-Id", webhook_id),
        ("Webhook-Timestamp", str(int(now))),
        ("Webhook-Signature", " ".join(signatures)),
        ("Traceparent", message["traceparent"]),
    ]
    return headers, body
