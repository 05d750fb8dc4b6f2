"""What each pod may connect to and who may connect to it, decided as Kubernetes decides it."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from support.chart import NAMESPACE, Rendered, merged, nested, render
from system.chart.value_sets import EXTERNAL_REDIS, GCS, KEDA, OIDC, S3, S3_IN_CLUSTER, SENTINEL, http_route, ingress

PUBLIC, PUBLIC6, PRIVATE, METADATA = "93.184.215.14", "2606:2800:220:1::1", "10.20.30.40", "169.254.169.254"
SERVICES = ("api", "worker", "gateway")
Pod = tuple[str, dict[str, str]]
"""namespace and labels"""
DNS: Pod = ("kube-system", {"k8s-app": "kube-dns"})
TRAEFIK: Pod = ("ingress", {"app.kubernetes.io/name": "traefik"})
PROMETHEUS: Pod = ("monitoring", {"app.kubernetes.io/name": "prometheus"})
KEDA_OPERATOR: Pod = ("keda", {"app": "keda-operator"})
STRANGER: Pod = ("elsewhere", {"app": "stranger"})


def own(name: str) -> Pod:
    labels = {"name": "vidferry", "instance": "vidferry", "component": name}
    return NAMESPACE, {f"app.kubernetes.io/{key}": value for key, value in labels.items()}


def allows(rendered: Rendered, name: str, way: str, peer: Pod | str, port: int) -> bool:
    rules = rendered.get("NetworkPolicy", name)["spec"][way]
    side = "from" if way == "ingress" else "to"
    return any(
        any(_is_peer(each, peer) for each in rule[side])
        and ("ports" not in rule or port in {each["port"] for each in rule["ports"]})
        for rule in rules
    )


def _is_peer(told: dict[str, Any], peer: Pod | str) -> bool:
    if "ipBlock" in told:
        if not isinstance(peer, str):
            return False
        address, block = ip_address(peer), told["ipBlock"]
        inside = [address in ip_network(each) for each in (block["cidr"], *block.get("except", ()))]
        return inside[0] and not any(inside[1:])
    if isinstance(peer, str):
        return False
    namespace, labels = peer
    of_namespace = told.get("namespaceSelector")
    if of_namespace is None:
        return namespace == NAMESPACE and _matches(told["podSelector"], labels)
    return _matches(of_namespace, {"kubernetes.io/metadata.name": namespace}) and _matches(
        told.get("podSelector", {}), labels
    )


def _matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", ())
    )


@pytest.mark.parametrize("name", [*SERVICES, "redis", "test"])
def test_both_ways_are_closed_by_default(name: str) -> None:
    policy = render().get("NetworkPolicy", name)["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert not allows(render(), name, "ingress", STRANGER, 9090)
    assert not allows(render(), name, "ingress", PUBLIC, 3001)
    assert not allows(render(), name, "egress", PRIVATE, 443)


@pytest.mark.parametrize("name", SERVICES)
def test_names_and_redis_are_reached(name: str) -> None:
    rendered = render()
    for peer in (DNS, "169.254.20.10", METADATA, ("openshift-dns", {})):
        assert allows(rendered, name, "egress", peer, 53)
    assert allows(rendered, name, "egress", own("redis"), 6379)
    assert not allows(rendered, name, "egress", own("redis"), 22)
    assert allows(rendered, "redis", "ingress", own(name), 6379)


def test_nobody_else_reaches_redis() -> None:
    for peer in (STRANGER, TRAEFIK, PROMETHEUS, KEDA_OPERATOR, own("test"), ("elsewhere", own("api")[1])):
        assert not allows(render(), "redis", "ingress", peer, 6379)
    assert render().get("NetworkPolicy", "redis")["spec"]["egress"] == []
    assert allows(render(KEDA), "redis", "ingress", KEDA_OPERATOR, 6379)


def test_workers_alone_reach_the_world() -> None:
    rendered = render()
    for address in (PUBLIC, PUBLIC6):
        assert allows(rendered, "worker", "egress", address, 12345)
        assert not allows(rendered, "gateway", "egress", address, 443)
        assert not allows(rendered, "api", "egress", address, 443)
    for address in (PRIVATE, METADATA, "192.168.1.1", "127.0.0.1", "fd00::1", "fe80::1", "::1", "2001:db8::1"):
        assert not allows(rendered, "worker", "egress", address, 80)


def test_ranges_that_downloads_may_reach_are_told_to_policy_and_program() -> None:
    rendered = render(nested("worker.egressAllow", ["10.20.0.0/16", "fd00::/8"]))
    assert allows(rendered, "worker", "egress", PRIVATE, 8081)
    assert not allows(rendered, "api", "egress", PRIVATE, 8081)
    assert rendered.settings("worker")["VIDFERRY_EGRESS_ALLOW"] == "10.20.0.0/16,fd00::/8"


def test_cloud_storage_is_reached_by_api_and_workers() -> None:
    rendered = render(GCS)
    assert allows(rendered, "api", "egress", PUBLIC, 443)
    assert not allows(rendered, "api", "egress", PUBLIC, 80)
    assert not allows(rendered, "gateway", "egress", PUBLIC, 443)
    private = render(merged(GCS, nested("networkPolicy.bucketRanges", ["199.36.153.8/30"])))
    assert allows(private, "api", "egress", "199.36.153.9", 443)
    assert not allows(private, "api", "egress", PUBLIC, 443)


@pytest.mark.parametrize("name", SERVICES)
def test_s3_and_sts_are_reached_by_api_and_workers(name: str) -> None:
    rendered, ports = render(S3), (80, 8080) if name != "worker" else ()  # workers reach the world
    assert allows(rendered, name, "egress", PUBLIC, 443) == (name != "gateway")
    assert not any(allows(rendered, name, "egress", PUBLIC, port) for port in ports)
    assert not allows(rendered, name, "egress", METADATA, 80)
    assert not allows(rendered, name, "egress", "169.254.170.23", 80)
    endpoints = render(merged(S3, nested("networkPolicy.bucketRanges", ["10.20.0.0/16"])))
    assert allows(endpoints, name, "egress", PRIVATE, 443) == (name != "gateway")


@pytest.mark.parametrize("name", SERVICES)
def test_the_agent_of_pod_identity_is_reached_where_it_is_wanted(name: str) -> None:
    rendered = render(merged(S3, nested("bucket.s3", {"roleArn": "", "podIdentity": True})))
    for agent in ("169.254.170.23", "fd00:ec2::23"):
        assert allows(rendered, name, "egress", agent, 80) == (name != "gateway")
    assert not allows(rendered, name, "egress", METADATA, 80)


@pytest.mark.parametrize("name", SERVICES)
def test_a_store_in_the_cluster_is_reached_on_its_port_alone(name: str) -> None:
    store: Pod = ("storage", {"app": "minio"})
    rendered = render(S3_IN_CLUSTER)
    assert allows(rendered, name, "egress", store, 9000) == (name != "gateway")
    assert not allows(rendered, name, "egress", store, 443)
    assert not allows(rendered, name, "egress", STRANGER, 9000)
    assert not allows(rendered, "api", "egress", PUBLIC, 443)


def test_a_store_at_an_address_is_reached_there_alone() -> None:
    for host, address, other in (("10.20.30.40", PRIVATE, "10.20.30.41"), ("[fd00::1]", "fd00::1", "fd00::2")):
        at = merged(S3, nested("bucket.s3.endpoint", f"https://{host}:9000"))
        assert allows(render(at), "api", "egress", PUBLIC, 443)  # STS
        rendered = render(merged(at, nested("bucket.s3", {"roleArn": "", "existingSecret": "key"})))
        assert not allows(rendered, "api", "egress", PUBLIC, 443)
        assert allows(rendered, "api", "egress", address, 9000)
        assert not allows(rendered, "api", "egress", address, 443)
        assert not allows(rendered, "api", "egress", other, 9000)


def test_the_issuer_is_reached_by_the_api_alone() -> None:
    rendered = render(OIDC)
    assert allows(rendered, "api", "egress", PUBLIC, 443)
    assert not allows(rendered, "api", "egress", PUBLIC, 80)
    assert not allows(rendered, "api", "egress", PRIVATE, 443)
    assert not allows(rendered, "gateway", "egress", PUBLIC, 443)
    keycloak: Pod = ("identity", {"app": "keycloak"})
    peers = [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "keycloak"}}}]
    inside = render(merged(OIDC, nested("networkPolicy.issuer", {"peers": peers, "ports": [8080, 8443]})))
    assert allows(inside, "api", "egress", keycloak, 8443)
    assert not allows(inside, "api", "egress", keycloak, 443)
    assert not allows(inside, "api", "egress", STRANGER, 8443)
    assert not allows(inside, "api", "egress", PUBLIC, 443)


@pytest.mark.parametrize("name", SERVICES)
def test_the_collector_of_traces_is_reached_where_there_is_one(name: str) -> None:
    collector: Pod = ("observability", {"app.kubernetes.io/name": "opentelemetry-collector"})
    rendered = render(nested("tracing.endpoint", "http://collector.observability:4318"))
    assert allows(rendered, name, "egress", collector, 4318)
    assert not allows(rendered, name, "egress", collector, 4317)
    assert not allows(rendered, name, "egress", STRANGER, 4318)
    assert not allows(render({}), name, "egress", collector, 4318)


@pytest.mark.parametrize("name", SERVICES)
def test_the_metadata_server_is_reached_only_for_workload_identity(name: str) -> None:
    wanted = name != "gateway"
    assert allows(render(GCS), name, "egress", METADATA, 80) == wanted
    assert allows(render(GCS), name, "egress", "169.254.169.252", 988) == wanted
    key = {"bucket": {"gcs": {"existingSecret": "key", "workloadIdentity": {"enabled": False}}}}
    assert not allows(render(merged(GCS, key)), name, "egress", METADATA, 80)


def test_an_external_redis_is_reached_on_its_port() -> None:
    rendered = render(EXTERNAL_REDIS)
    assert allows(rendered, "gateway", "egress", PRIVATE, 6379)
    assert not allows(rendered, "gateway", "egress", PRIVATE, 443)


@pytest.mark.parametrize("name", SERVICES)
def test_sentinels_and_their_servers_are_reached_on_their_ports(name: str) -> None:
    """What the servers' addresses are, the Sentinels alone know."""
    anywhere = render(SENTINEL)
    within = render(merged(SENTINEL, nested("networkPolicy.redisRanges", ["10.20.0.0/16"])))
    for port in (6379, 26379, 26380):
        assert allows(anywhere, name, "egress", PRIVATE, port)
        assert allows(within, name, "egress", PRIVATE, port)
        assert not allows(within, name, "egress", "192.168.1.1", port)
    assert not allows(anywhere, name, "egress", PRIVATE, 443)


@pytest.mark.parametrize("name", SERVICES)
def test_prometheus_reaches_the_admin_port_alone(name: str) -> None:
    assert allows(render(), name, "ingress", PROMETHEUS, 9090)
    assert not allows(render(), name, "ingress", PROMETHEUS, 3001)


def test_the_controller_reaches_api_and_gateway_alone() -> None:
    rendered = render(ingress("traefik"))
    assert allows(rendered, "api", "ingress", TRAEFIK, 3001)
    assert allows(rendered, "gateway", "ingress", TRAEFIK, 3002)
    assert not allows(rendered, "api", "ingress", TRAEFIK, 9090)
    assert not allows(rendered, "worker", "ingress", TRAEFIK, 9090)
    assert not allows(render(), "api", "ingress", TRAEFIK, 3001)
    nginx: Pod = ("ingress-nginx", {"app.kubernetes.io/name": "ingress-nginx"})
    assert allows(render(ingress("nginx")), "gateway", "ingress", nginx, 3002)
    gke = render(merged(GCS, ingress("gke")))
    assert allows(gke, "gateway", "ingress", "35.191.7.7", 3002)
    assert not allows(gke, "gateway", "ingress", PUBLIC, 3002)


def test_the_tests_reach_what_they_check() -> None:
    rendered = render()
    for name, port in (("api", 3001), ("gateway", 3002)):
        assert allows(rendered, "test", "egress", own(name), port)
        assert allows(rendered, name, "ingress", own("test"), port)


def test_the_tests_reach_the_public_address_where_there_is_one() -> None:
    for peer, port in ((TRAEFIK, 8443), (PRIVATE, 443), (PUBLIC, 443)):
        assert allows(render(http_route("traefik")), "test", "egress", peer, port)
        assert not allows(
            render(merged(http_route("traefik"), nested("tests.public.enabled", False))), "test", "egress", peer, port
        )
