"""Webhooks of an installation: which pods have the secrets, and how owners' webhooks are written."""

import tomllib

from support.chart import merged, nested, render, secret_text
from system.chart.value_sets import KEYS
from vidferry_api.access.keys_file import parse_keys
from vidferry_common.webhooks.owner_webhooks import read_owner_webhooks

SECRET = "whsec_" + "a" * 32
OWNERS = {"team-a": {"secrets": [SECRET], "url": "https://hooks.example.org/a", "events": ["job.failed"]}}


def test_the_keys_file_goes_to_workers_for_webhooks_alone() -> None:
    for values, wanted in (({}, False), (nested("webhooks.enabled", True), True)):
        rendered = render(values)
        mounted = {volume["name"] for volume in rendered.pod("worker")["volumes"]}
        assert ("access" in mounted) is wanted
        assert ("VIDFERRY_ACCESS_KEYS_FILE" in rendered.settings("worker")) is wanted
        assert "access" not in {volume["name"] for volume in rendered.pod("gateway")["volumes"]}


def test_api_and_workers_read_what_the_chart_writes() -> None:
    rendered = render(merged(KEYS, {"webhooks": {"enabled": True, "owners": OWNERS}}))
    text = secret_text(rendered, "access", "keys.toml")
    assert tomllib.loads(text)["owners"]["team-a"]["webhook"] == OWNERS["team-a"]
    assert parse_keys(text.encode()).webhooks == read_owner_webhooks(text.encode())
    assert list(read_owner_webhooks(text.encode())) == ["team-a"]
