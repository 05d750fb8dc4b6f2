"""Who counts as the caller of a download: the peer, or whom a trusted proxy names."""

import pytest

from support.answers import post
from support.backstage import Backstage
from support.records import new_job
from unit.api.conftest import OpenApp
from vidferry_common.contract import keys


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("192.0.2.7", None, "192.0.2.7"),
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("2001:db8::1:2:3:4", None, "2001:db8::/64"),
    ],
)
def test_who_asks(open_app: OpenApp, backstage: Backstage, peer: str, forwarded: str | None, caller: str) -> None:
    """A stranger may write what he likes into X-Forwarded-For."""
    client = open_app(peer=peer, trusted_proxies="10.0.0.0/8")
    job = post(client, headers={"X-Forwarded-For": forwarded} if forwarded else {})

    key = keys.DOWNLOAD + backstage.download_id(job["job_id"])
    counted = backstage.redis(lambda redis: redis.hget(key, "caller"))
    assert counted.decode() == new_job(caller=caller).caller_digest
