"""Cookies of an installation: which pods have them, and how it is written who may use which credential."""

import pytest

from support.chart import merged, nested, render, secret_text
from system.chart.value_sets import KEYS
from vidferry_api.access.keys_file import parse_keys


def test_workers_alone_have_the_cookies() -> None:
    rendered = render(nested("worker.cookies.existingSecret", "cookies"))
    for service in ("api", "worker", "gateway"):
        has_cookies = service == "worker"
        assert ("cookies" in {volume["name"] for volume in rendered.pod(service)["volumes"]}) is has_cookies
        assert ("VIDFERRY_COOKIES_DIR" in rendered.settings(service)) is has_cookies
    (container,) = rendered.pod("worker")["containers"]
    (mount,) = [each for each in container["volumeMounts"] if each["name"] == "cookies"]
    assert mount == {
        "name": "cookies",
        "mountPath": rendered.settings("worker")["VIDFERRY_COOKIES_DIR"],
        "readOnly": True,
    }


@pytest.mark.parametrize("owners", [{}, {"team-a": {"jobs_running": 4}}])
def test_the_api_reads_who_may_use_which_credential(owners: dict[str, dict[str, int]]) -> None:
    access = {"owners": owners, "credentials": {"team-a": ["alice", "bob"]}}
    text = secret_text(render(merged(KEYS, {"access": access})), "access", "keys.toml")
    table = parse_keys(text.encode())
    assert table.credentials["team-a"] == {"alice", "bob"}
    assert table.limits_of("team-a").jobs_running == (4 if owners else 0)
