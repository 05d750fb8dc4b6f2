"""Settings, probes, stopping and scaling of the three services."""

from typing import Any

import pytest

from support.chart import merged, nested, render
from system.chart.value_sets import (
    HPA,
    KEDA,
    OIDC,
    OPEN,
    REDIS_TLS,
    S3,
    S3_IN_CLUSTER,
    SENTINEL_TLS,
    USER_HEADER,
    ingress,
)
from vidferry_api.settings import ApiSettings
from vidferry_gateway.settings import GatewaySettings
from vidferry_worker.settings import WorkerSettings

SERVICES = ("api", "worker", "gateway")
KNOWN = {"api": ApiSettings, "worker": WorkerSettings, "gateway": GatewaySettings}
ADMIN = {"VIDFERRY_ADMIN_PORT"}
GIVEN = {
    "default": {},
    "redis-tls": REDIS_TLS,
    "sentinel-tls": SENTINEL_TLS,
    "open": OPEN,
    "oidc": OIDC,
    "s3": S3,
    "s3-in-cluster": S3_IN_CLUSTER,
    "objects-apart": {"access": {"shareObjects": "owner"}},
    "user-header": merged(ingress("nginx"), USER_HEADER),
}


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("values", GIVEN.values(), ids=GIVEN)
def test_the_programs_take_the_settings(name: str, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = render(values).settings(name)
    secret = {each["name"]: "s" * 32 for each in render(values).pod(name)["containers"][0]["env"]}
    for variable, value in (settings | secret).items():
        monkeypatch.setenv(variable, value)
    loaded = KNOWN[name]()
    given = {variable for variable, value in settings.items() if value}  # an empty one counts as absent
    for variable in given - ADMIN:
        assert variable.removeprefix("VIDFERRY_").lower() in loaded.model_fields_set


@pytest.mark.parametrize("name", SERVICES)
def test_probes_ask_the_admin_port(name: str) -> None:
    (container,) = render().pod(name)["containers"]
    assert {"name": "admin", "containerPort": 9090} in container["ports"]
    asked = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert asked == {
        "startupProbe": {"path": "/healthz", "port": "admin"},
        "readinessProbe": {"path": "/readyz", "port": "admin"},
        "livenessProbe": {"path": "/healthz", "port": "admin"},
    }
    assert render().settings(name)["VIDFERRY_ADMIN_PORT"] == "9090"


def test_another_admin_port_is_known_to_all_that_ask_it() -> None:
    rendered = render({"adminPort": 9100, **nested("metrics.serviceMonitor.enabled", True)})
    for name in SERVICES:
        (container,) = rendered.pod(name)["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports["admin"] == 9100
        assert {container[probe]["httpGet"]["port"] for probe in ("startupProbe", "readinessProbe")} == {"admin"}
        assert rendered.settings(name)["VIDFERRY_ADMIN_PORT"] == "9100"
        rules = rendered.get("NetworkPolicy", name)["spec"]["ingress"]
        assert {"protocol": "TCP", "port": 9100} in [port for rule in rules for port in rule["ports"]]
    (port,) = rendered.get("Service", "metrics")["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (9100, "admin")


@pytest.mark.parametrize("name", SERVICES)
def test_pods_of_one_version_are_spread_over_zones_and_nodes(name: str) -> None:
    """Those of the former version must not count, or the new ones go where no old one was and stay uneven."""
    rules = render().pod(name)["topologySpreadConstraints"]
    assert [rule["topologyKey"] for rule in rules] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    own = {"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}
    whole = {**own, "labelSelector": {"matchLabels": {"a": "b"}}}
    values = {each: {"topologySpreadConstraints": [own, whole]} for each in SERVICES}
    given, kept = render(values).pod(name)["topologySpreadConstraints"]
    assert given["maxSkew"] == 2
    assert kept == whole
    labels = render().get("Deployment", name)["spec"]["selector"]["matchLabels"]
    for rule in (*rules, given):
        assert rule["matchLabelKeys"] == ["pod-template-hash"]
        assert rule["labelSelector"] == {"matchLabels": labels}


@pytest.mark.parametrize("name", SERVICES)
def test_more_containers_are_restricted_too(name: str) -> None:
    more = [{"name": "proxy", "image": "a"}, {"name": "own", "image": "a", "securityContext": {"runAsUser": 7}}]
    pod = render({each: {"initContainers": more, "extraContainers": more} for each in SERVICES}).pod(name)
    for found in (pod["initContainers"], pod["containers"][1:]):
        assert found[0]["securityContext"] == pod["containers"][0]["securityContext"]
        assert found[1]["securityContext"] == {"runAsUser": 7}


def test_a_hook_leaves_the_apis_pause() -> None:
    (container,) = render(nested("api.lifecycle.postStart.sleep.seconds", 1)).pod("api")["containers"]
    assert container["lifecycle"] == {"postStart": {"sleep": {"seconds": 1}}, "preStop": {"sleep": {"seconds": 5}}}
    assert "lifecycle" not in render(nested("api.preStopSeconds", 0)).pod("api")["containers"][0]


@pytest.mark.parametrize("name", SERVICES)
def test_a_changed_setting_restarts_the_pods(name: str) -> None:
    def checksum(values: dict[str, Any]) -> str:
        template = render(values).get("Deployment", name)["spec"]["template"]
        found: str = template["metadata"]["annotations"]["checksum/settings"]
        return found

    assert checksum({}) == checksum({"commonAnnotations": {"a": "b"}})
    assert checksum({}) != checksum(nested(f"{name}.settings", {"VIDFERRY_ENDED_RECORDS": 1}))


def test_a_setting_reaches_the_services_that_know_it() -> None:
    rendered = render(nested("settings", {"VIDFERRY_QUEUE_CAP": 5, "VIDFERRY_ENDED_RECORDS": 6}))
    told = {name: rendered.settings(name) for name in SERVICES}
    assert [name for name in SERVICES if "VIDFERRY_QUEUE_CAP" in told[name]] == ["api"]
    assert {settings["VIDFERRY_ENDED_RECORDS"] for settings in told.values()} == {"6"}


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_in_a_setting(name: str) -> None:
    (container,) = render().pod(name)["containers"]
    secret = {each["name"] for each in container["env"] if "secretKeyRef" in each.get("valueFrom", {})}
    assert "VIDFERRY_REDIS_PASSWORD" in secret
    assert ("VIDFERRY_SIGNING_KEY" in secret) == (name != "gateway")
    assert not secret & render().settings(name).keys()


@pytest.mark.parametrize(("name", "seconds"), [("api", 35), ("worker", 60), ("gateway", 35)])
def test_pods_are_killed_after_the_program_gives_up(name: str, seconds: int) -> None:
    assert render().pod(name)["terminationGracePeriodSeconds"] == seconds


def test_the_folder_holds_what_the_program_allows() -> None:
    settings = render().settings("worker")
    assert 2 * int(settings["VIDFERRY_WORKER_SLOTS"]) * int(settings["VIDFERRY_MAX_BYTES"]) <= 9 * 1024**3
    (container,) = render().pod("worker")["containers"]
    assert {"name": "work", "mountPath": settings["VIDFERRY_WORKER_FOLDER"]} in container["volumeMounts"]


@pytest.mark.parametrize("name", SERVICES)
def test_the_number_of_pods_is_its_autoscalers(name: str) -> None:
    assert render().get("Deployment", name)["spec"]["replicas"] == 2
    for values, scaled in ((HPA, ("api", "gateway")), (KEDA, ("worker", "gateway"))):
        assert ("replicas" in render(values).get("Deployment", name)["spec"]) == (name not in scaled)


def test_each_is_scaled_by_itself() -> None:
    rendered = render(merged(KEDA, {"api": {"replicas": 5}, "gateway": {"autoscaling": {"keda": {"enabled": False}}}}))
    assert rendered.get("Deployment", "api")["spec"]["replicas"] == 5
    assert rendered.get("Deployment", "gateway")["spec"]["replicas"] == 2
    assert [each["metadata"]["name"] for each in rendered.all("ScaledObject")] == ["vidferry-worker"]


def test_keda_asks_the_bundled_redis() -> None:
    rendered = render(KEDA)
    spec = rendered.get("ScaledObject", "worker")["spec"]
    assert spec["minReplicaCount"] == 0
    assert spec["triggers"] == [
        {
            "type": "redis",
            "metadata": {
                "address": "vidferry-redis.media.svc:6379",
                "databaseIndex": "0",
                "listName": "arq:queue",
                "listLength": "2",
            },
            "authenticationRef": {"name": "vidferry-worker"},
        }
    ]
    assert rendered.get("TriggerAuthentication", "worker")["spec"]["secretTargetRef"] == [
        {"parameter": "password", "name": "vidferry-redis", "key": "redis-password"}
    ]


def test_keda_asks_another_redis_with_tls() -> None:
    rendered = render(merged(KEDA, REDIS_TLS))
    (trigger,) = rendered.get("ScaledObject", "worker")["spec"]["triggers"]
    assert trigger["metadata"]["address"] == "redis.example.org:6380"
    assert trigger["metadata"]["enableTLS"] == "true"
    assert trigger["metadata"]["username"] == "vidferry"
    refs = rendered.get("TriggerAuthentication", "worker")["spec"]["secretTargetRef"]
    assert [(ref["parameter"], ref["name"]) for ref in refs] == [
        ("password", "redis-secret"),
        ("ca", "redis-authority"),
    ]


def test_keda_asks_sentinels() -> None:
    rendered = render(merged(KEDA, SENTINEL_TLS))
    (trigger,) = rendered.get("ScaledObject", "worker")["spec"]["triggers"]
    assert trigger["type"] == "redis-sentinel"
    assert trigger["metadata"] == {
        "addresses": "redis-0.redis:26379,redis-1.redis:26380",
        "sentinelMaster": "mymaster",
        "sentinelUsername": "asker",
        "databaseIndex": "2",
        "enableTLS": "true",
        "username": "vidferry",
        "listName": "arq:queue",
        "listLength": "2",
    }
    refs = rendered.get("TriggerAuthentication", "worker")["spec"]["secretTargetRef"]
    assert [(ref["parameter"], ref["name"]) for ref in refs] == [
        ("password", "redis-secret"),
        ("sentinelPassword", "sentinel-secret"),
        ("ca", "redis-authority"),
    ]
