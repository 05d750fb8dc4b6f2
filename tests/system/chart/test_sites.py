"""The sites file of an installation: which pods have it, and that workers read it as the values say."""

import json

from support.chart import CHART, merged, nested, render, secret_text
from vidferry_worker.network.proxy import Proxy
from vidferry_worker.sites.parser import KEYS, parse_sites


def test_workers_alone_have_the_file() -> None:
    rendered = render(nested("worker.sites.rules", {"example.com": {"proxy": "http://user:secret@proxy"}}))
    for service in ("api", "worker", "gateway"):
        has_file = service == "worker"
        assert ("sites" in {volume["name"] for volume in rendered.pod(service)["volumes"]}) is has_file
        assert ("VIDFERRY_SITES_FILE" in rendered.settings(service)) is has_file
        assert "secret" not in str(rendered.settings(service))
    (container,) = rendered.pod("worker")["containers"]
    (mount,) = [each for each in container["volumeMounts"] if each["name"] == "sites"]
    assert mount == {"name": "sites", "mountPath": "/etc/vidferry/sites", "readOnly": True}
    assert rendered.settings("worker")["VIDFERRY_SITES_FILE"] == "/etc/vidferry/sites/sites.toml"


def test_workers_read_what_the_values_say() -> None:
    rules = {
        "default": {"sleep": 0.5, "fragments": 16},
        "bücher.example": {"proxy": "socks5://us%22er:p%26@proxy.example:1080", "sleep": 2},
        "[2001:db8::1]": {"user_agent": 'A "browser" \\ <1>'},
        "example.org": {"proxy": "none"},
    }
    parsed = parse_sites(secret_text(render(nested("worker.sites.rules", rules)), "sites", "sites.toml").encode())
    assert parsed.problems == {}
    assert parsed.entries == {
        "default": {"sleep": 0.5, "fragments": 16},
        "xn--bcher-kva.example": {"proxy": Proxy("socks5", "proxy.example", 1080, 'us"er', "p&"), "sleep": 2.0},
        "2001:db8::/64": {"user_agent": 'A "browser" \\ <1>'},
        "example.org": {"proxy": None},
    }


def test_a_changed_file_starts_no_pod_again() -> None:
    before, after = (render(nested("worker.sites.rules", {"a.example": {"sleep": seconds}})) for seconds in (1, 2))
    assert before.pod("worker") == after.pod("worker")
    own = merged(nested("worker.sites.existingSecret", "mine"))
    assert not [each for each in render(own).resources if each["metadata"]["name"] == "vidferry-sites"]


def test_the_values_have_each_key_that_workers_honour() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    sites = schema["properties"]["worker"]["properties"]["sites"]["properties"]
    keys = sites["rules"]["additionalProperties"]["properties"]
    assert keys.keys() == KEYS
