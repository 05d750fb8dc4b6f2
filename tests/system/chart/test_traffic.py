"""/ws and /sse go to the gateway, the rest to the api, whatever brings the traffic; sockets outlive its timeouts."""

from typing import Any

import pytest

from support.chart import merged, render
from system.chart.value_sets import GCS, http_route, ingress
from vidferry_common.proxies import ProxySettings
from vidferry_common.settings import load_settings


@pytest.mark.parametrize(("path", "prefix"), [("/", ""), ("/vidferry", "/vidferry"), ("/vidferry/", "/vidferry")])
def test_paths_lead_to_their_service(path: str, prefix: str) -> None:
    wanted = {f"{prefix}/ws": "gateway", f"{prefix}/sse": "gateway", prefix or "/": "api"}
    (rule,) = render(ingress("nginx", path=path)).get("Ingress")["spec"]["rules"]
    found = {each["path"]: each["backend"]["service"]["name"] for each in rule["http"]["paths"]}
    assert found == {each: f"vidferry-{name}" for each, name in wanted.items()}
    assert {each["pathType"] for each in rule["http"]["paths"]} == {"Prefix"}

    rules = render(http_route("traefik", path=path)).get("HTTPRoute")["spec"]["rules"]
    routed = {each["path"]["value"]: rule["backendRefs"][0] for rule in rules for each in rule["matches"]}
    assert {each: target["name"] for each, target in routed.items()} == found
    assert {target["name"]: target["port"] for target in routed.values()} == {
        "vidferry-gateway": 3002,
        "vidferry-api": 3001,
    }


@pytest.mark.parametrize(
    ("values", "address"),
    [
        ({}, None),
        (ingress("nginx"), "https://media.example.org"),
        (ingress("nginx", path="/a/", tls={"enabled": False}), "http://media.example.org/a"),
        (http_route("traefik", path="/a"), "https://media.example.org/a"),
        (http_route("traefik", tls=False), "http://media.example.org"),
        (merged(ingress("nginx", path="/a"), {"publicUrl": "https://cdn.example.org/a/"}), "https://cdn.example.org/a"),
    ],
    ids=str,
)
def test_links_are_made_from_the_public_address(values: dict[str, Any], address: str | None) -> None:
    assert render(values).settings("api").get("VIDFERRY_PUBLIC_URL") == address


@pytest.mark.parametrize("values", [ingress("nginx"), http_route("traefik")], ids=["ingress", "httpRoute"])
def test_both_services_answer_to_the_way_in_and_to_the_services_names(values: dict[str, Any]) -> None:
    other = {"publicUrl": "https://cdn.example.org/"}
    for name in ("api", "gateway"):
        settings = render(merged(values, other)).settings(name)
        assert settings["VIDFERRY_PUBLIC_URL"] == "https://cdn.example.org"
        hosts = settings["VIDFERRY_ALLOWED_HOSTS"].split(",")
        assert {"media.example.org", f"vidferry-{name}", f"vidferry-{name}.media.svc.cluster.local"} <= set(hosts)
        assert "*" not in hosts


@pytest.mark.parametrize(
    ("values", "callers"),
    [
        (ingress("nginx"), [("10.1.2.3", "203.0.113.9", "203.0.113.9"), ("fd00::5", "2001:db9::1", "2001:db9::1")]),
        (http_route("traefik"), [("100.64.0.7", "203.0.113.9", "203.0.113.9")]),
        (ingress("nginx"), [("10.1.2.3", "198.51.100.1, 203.0.113.9", "203.0.113.9")]),  # the first is made up
        (ingress("nginx"), [("203.0.113.9", "198.51.100.1", "203.0.113.9")]),  # who came past the controller
        (
            merged(GCS, ingress("gke")),
            [("35.191.0.9", "203.0.113.9", "203.0.113.9"), ("10.1.2.3", "7.7.7.7", "10.1.2.3")],
        ),
        (merged(ingress("nginx"), {"trustedProxies": []}), [("10.1.2.3", "203.0.113.9", "10.1.2.3")]),
        ({}, [("10.1.2.3", "203.0.113.9", "10.1.2.3")]),
    ],
    ids=str,
)
def test_callers_are_told_apart_behind_what_brings_them(
    values: dict[str, Any], callers: list[tuple[str, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = render(values)
    for name in ("api", "gateway"):
        ranges = rendered.settings(name).get("VIDFERRY_TRUSTED_PROXIES", "")
        monkeypatch.setenv("VIDFERRY_TRUSTED_PROXIES", ranges)
        proxies = load_settings(ProxySettings).proxies
        for peer, forwarded_for, caller in callers:
            assert proxies.find_client(peer, [forwarded_for]) == caller
    assert "VIDFERRY_TRUSTED_PROXIES" not in rendered.settings("worker")


def test_nginx_leaves_sockets_open() -> None:
    annotations = render(ingress("nginx")).get("Ingress")["metadata"]["annotations"]
    assert annotations == {
        "nginx.ingress.kubernetes.io/proxy-read-timeout": "86400",
        "nginx.ingress.kubernetes.io/proxy-send-timeout": "86400",
        "nginx.ingress.kubernetes.io/proxy-buffering": "off",
    }
    own = ingress("nginx", annotations={"nginx.ingress.kubernetes.io/proxy-read-timeout": "60"})
    changed = render(own).get("Ingress")["metadata"]["annotations"]
    assert changed["nginx.ingress.kubernetes.io/proxy-read-timeout"] == "60"


def test_traefik_needs_no_telling() -> None:
    assert "annotations" not in render(ingress("traefik")).get("Ingress")["metadata"]


def test_gke_is_told_by_backend_configs() -> None:
    rendered = render(merged(GCS, ingress("gke")))
    for name, seconds in (("gateway", 86400), ("api", 3600)):
        config = rendered.get("BackendConfig", name)["spec"]
        assert config["timeoutSec"] == seconds
        assert config["healthCheck"]["requestPath"] == "/readyz"
        annotations = rendered.get("Service", name)["metadata"]["annotations"]
        assert annotations["cloud.google.com/backend-config"] == f'{{"default": "vidferry-{name}"}}'
        assert annotations["cloud.google.com/neg"] == '{"ingress": true}'


def test_gke_is_told_by_policies_and_never_by_the_route() -> None:
    rendered = render(merged(GCS, http_route("gke")))
    assert not [rule for rule in rendered.get("HTTPRoute")["spec"]["rules"] if "timeouts" in rule]
    assert rendered.get("GCPBackendPolicy", "gateway")["spec"]["default"]["timeoutSec"] == 86400
    check = rendered.get("HealthCheckPolicy", "gateway")["spec"]["default"]["config"]["httpHealthCheck"]
    assert check == {"requestPath": "/readyz", "port": 3002}
    others = render(http_route("traefik"))
    assert {rule["timeouts"]["request"] for rule in others.get("HTTPRoute")["spec"]["rules"]} == {"0s"}
    assert not others.all("GCPBackendPolicy")
