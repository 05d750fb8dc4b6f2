"""What can't be is refused with a sentence that says what to do."""

import json
import re
import shutil
from typing import Any

import pytest

from support.chart import CHART, lint, merged, nest_charts, nested, refusal, render
from system.chart.value_sets import (
    EXTERNAL_REDIS,
    GCS,
    KEDA,
    KEYS,
    OIDC,
    OPEN,
    S3,
    S3_IN_CLUSTER,
    SENTINEL,
    SHA256,
    http_route,
    ingress,
)

NEXT = "the next set of values"
CHECK_EACH = f"""
{{{{- range $number := until (len .Subcharts) -}}}}
{{{{- fail "{NEXT}" -}}}}
{{{{- include "vidferry.checks" (index $.Subcharts (printf "set%d" $number)).Subcharts.vidferry -}}}}
{{{{- end -}}}}
"""
TWICE = [{"name": name, "owner": "a", "sha256": SHA256, "scopes": ["admin"]} for name in ("ci", "cd")]
WEBHOOKS = {"team-a": {"secrets": ["whsec_" + "a" * 32]}}
KEDA_OF_GATEWAY = {"keda": {"enabled": True, "serverAddress": "http://prometheus:9090"}}
REFUSED: list[tuple[dict[str, Any], str]] = [
    (nested("redis.external.cluster", True), "Redis Cluster is not supported"),
    (merged(SENTINEL, nested("redis.external.host", "redis")), "the Sentinels tell which host is the primary"),
    (nested("redis.external.host", "redis"), "exclude each other: set redis.bundled.enabled=false"),
    (nested("redis.external.sentinel.hosts", ["a"]), "exclude each other: set redis.bundled.enabled=false"),
    (merged(EXTERNAL_REDIS, nested("redis.external.sentinel.username", "me")), "set redis.external.sentinel.hosts"),
    (nested("redis.external.sentinel.existingSecret", "mine"), "set redis.external.sentinel.hosts"),
    (nested("redis.bundled.enabled", False), "needs a Redis"),
    (merged(EXTERNAL_REDIS, nested("redis.external.tls.existingSecret", "ca")), "the connection is not encrypted"),
    (nested("bucket.type", "gcs"), "set bucket.gcs.name"),
    (merged(GCS, nested("bucket.gcs.existingSecret", "key")), "workloadIdentity exclude each other"),
    (nested("bucket", {"type": "gcs", "gcs": {"name": "videos"}}), "there are no credentials"),
    (merged(S3, nested("bucket.type", "folder")), "bucket.s3.name is set, but bucket.type is"),
    (merged(GCS, nested("bucket.s3.name", "videos")), "bucket.s3.name is set, but bucket.type is"),
    (merged(S3, nested("bucket.gcs.name", "videos")), "bucket.gcs.name is set, but bucket.type is s3"),
    (merged(S3, nested("bucket.s3.name", "")), "set bucket.s3.name"),
    (merged(S3, nested("bucket.s3.region", "")), "neither the store nor its region is known"),
    *(
        (merged(S3, nested("bucket.s3", given)), "one of them would take precedence")
        for given in (
            {"existingSecret": "key"},
            {"podIdentity": True},
            {"existingSecret": "key", "roleArn": "", "podIdentity": True},
        )
    ),
    *(
        (
            merged(S3, nested("bucket.s3.roleArn", ""), nested(f"{other}.extraEnv", [{"name": "A", "value": "b"}])),
            "or name a file of credentials in extraEnv",
        )
        for other in ("api", "worker")
    ),
    *(
        (merged(S3_IN_CLUSTER, nested(f"bucket.s3.{name}", "http://minio.storage.svc:9000")), "set bucket.s3.allowHttp")
        for name in ("endpoint", "publicEndpoint")
    ),
    *(
        (
            merged(S3_IN_CLUSTER, nested("bucket.s3", {"endpoint": endpoint, "publicEndpoint": ""})),
            "browsers could not follow links",
        )
        for endpoint in ("https://minio", "https://minio.storage.svc:9000", "https://a.b.svc.cluster.local")
    ),
    (merged(S3_IN_CLUSTER, nested("networkPolicy.bucket.peers", [])), "set networkPolicy.bucket.peers"),
    (merged(S3_IN_CLUSTER, nested("bucket.s3.caConfigMap", "a")), "put all CA certificates into one of them"),
    (merged(S3, nested("bucket.s3.storageClass", "DEEP_ARCHIVE")), "can't be read until they are restored"),
    (nested("bucket.folder.accessMode", "ReadWriteOncePod"), "api and workers are several pods"),
    (nested("bucket.folder.accessMode", "ReadWriteOnce"), "pods on several nodes can't share"),
    *(
        (
            merged(nested("bucket.folder.singleNode", True), nested(f"{name}.affinity", {"podAffinity": {"a": 1}})),
            f"remove {name}.affinity.podAffinity",
        )
        for name in ("api", "worker")
    ),
    (merged(KEYS, nested("access.existingSecret", "mine")), "replaces access.keys and access.owners"),
    (nested("access", {"existingSecret": "mine", "owners": {"a": {}}}), "replaces access.keys and access.owners"),
    (nested("access.mode", "oidc"), "set access.oidc.issuer"),
    (merged(OIDC, nested("access.oidc.audience", "")), "set access.oidc.audience"),
    (merged(OIDC, nested("access.mode", "keys")), "set access.mode=oidc, which accepts keys too"),
    (nested("access.firstKey", False), "nobody could use Vidferry"),
    (merged(ingress("nginx"), nested("access.userHeader", "X-User")), "removes it from what clients send"),
    (merged({"trustedProxies": []}, nested("access.userHeader", "X-User")), "removes it from what clients send"),
    (
        nested("access", {"existingSecret": "mine", "credentials": {"a": ["alice"]}}),
        "replaces the file that access.credentials is written to",
    ),
    (nested("access.keys", [TWICE[0], TWICE[0] | {"sha256": "0" * 64}]), "access.keys has two keys with the name"),
    (nested("access.keys", [TWICE[0] | {"name": "first"}]), "access.keys has two keys with the name"),
    (nested("access.keys", TWICE), "access.keys has the same key twice"),
    (nested("webhooks.owners", WEBHOOKS), "set webhooks.enabled=true"),
    (merged(OPEN, nested("webhooks.enabled", True)), "set webhooks.existingSecret"),
    (nested("webhooks", {"enabled": True, "existingSecret": "mine"}), "set webhooks.owners instead"),
    (
        {"access": {"existingSecret": "mine"}, "webhooks": {"enabled": True, "owners": WEBHOOKS}},
        "write the webhooks into that Secret's file",
    ),
    (nested("worker.sites", {"existingSecret": "mine", "rules": {"a.example": {}}}), "replaces worker.sites.rules"),
    (nested("settings", {"VIDFERRY_TICKET_KEYS": "a"}), "is a secret"),
    (nested("api.settings", {"VIDFERRY_ACCESS": "none"}), "is set by the chart"),
    (nested("gateway.autoscaling", {"hpa": {"enabled": True}, **KEDA_OF_GATEWAY}), "exclude each other: KEDA makes"),
    (nested("worker.autoscaling.hpa.enabled", True), "Scale by the queue with worker.autoscaling.keda"),
    *(
        (
            nested(f"{name}.autoscaling", {"hpa": {"enabled": True}, "minReplicas": 9, "maxReplicas": 8}),
            f"{name}.autoscaling.minReplicas is more than",
        )
        for name in ("api", "gateway")
    ),
    (nested("worker.autoscaling", {"keda": {"enabled": True}, "minReplicas": 11}), "minReplicas is more than"),
    (
        merged(nested("api.autoscaling.hpa.enabled", True), nested("api.resources.requests", {"cpu": ""})),
        "set api.resources.requests.cpu",
    ),
    (nested("gateway.autoscaling.keda.enabled", True), "set gateway.autoscaling.keda.serverAddress"),
    *(
        (nested(f"{name}.strategy", {"type": "Recreate", "rollingUpdate": None}), f"{name}.strategy.type is Recreate")
        for name in ("api", "worker", "gateway")
    ),
    *(
        (
            merged(values, nested("worker.strategy.rollingUpdate", rolling)),
            "worker.strategy.rollingUpdate may remove the last pod",
        )
        for values, rolling in (
            (nested("worker.replicas", 1), {"maxUnavailable": 1}),
            (nested("worker.replicas", 2), {"maxUnavailable": 2}),
            (nested("worker.replicas", 3), {"maxUnavailable": "100%"}),
            # Kubernetes takes 0 and 0, which would never end, for 1 and 0.
            (nested("worker.replicas", 1), {"maxUnavailable": "25%", "maxSurge": "0%"}),
            (KEDA, {"maxUnavailable": 1}),
        )
    ),
    (nested("worker.slots", 3), "at least 2 × worker.slots × worker.maxBytes"),
    (nested("worker.childMemory", "769Mi"), "at least worker.slots × worker.childMemory"),
    (nested("worker", {"ytdlp": {"version": "stable"}, "sandbox": "off"}), "needs the sandbox"),
    (nested("worker.resources.limits.memory", "2047Mi"), "at least worker.slots × worker.childMemory"),
    (nested("worker.work.sizeLimit", "8191Mi"), "at least 2 × worker.slots × worker.maxBytes"),
    *(
        (
            nested(f"{name}.resources.limits.ephemeral-storage", limit),
            f"{name}.resources.limits.ephemeral-storage must hold",
        )
        for name, limit in (("api", "511Mi"), ("worker", "9727Mi"), ("gateway", "511Mi"), ("redis.bundled", "511Mi"))
    ),
    (nested("worker.work.sizeLimit", "10Gi"), "worker.resources.limits.ephemeral-storage must hold"),
    (nested("tmpSizeLimit", "257Mi"), "api.resources.limits.ephemeral-storage must hold"),
    *(
        (nested(f"{name}.lifecycle.preStop.sleep.seconds", 5), f"set {name}.terminationGracePeriodSeconds")
        for name in ("api", "worker", "gateway")
    ),
    (
        nested("api", {"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}, "terminationGracePeriodSeconds": 60}),
        "set api.preStopSeconds=0",
    ),
    (nested("api.port", 9090), "adminPort and api.port are the same"),
    (nested("adminPort", 3002), "adminPort and gateway.port are the same"),
    (nested("endedBytes", "161Mi"), "at most three quarters of redis.bundled.maxMemory"),
    (nested("api.queueBytes", "161Mi"), "at most three quarters of redis.bundled.maxMemory"),
    (nested("redis.bundled.maxMemory", "341Mi"), "at most three quarters of redis.bundled.maxMemory"),
    (nested("redis.bundled.maxMemory", "768Mi"), "redis.bundled.maxMemory must be below"),
    (nested("worker.terminationGracePeriodSeconds", 44), "at least worker.grace + 15"),
    (nested("api.terminationGracePeriodSeconds", 24), "at least api.preStopSeconds + 20"),
    (nested("gateway.terminationGracePeriodSeconds", 24), "before it has closed its connections"),
    (ingress("nginx", host=""), "set ingress.host"),
    (http_route("traefik", host=""), "set httpRoute.host"),
    (ingress("nginx", path="/api/"), "which Vidferry uses itself"),
    (merged(ingress("nginx"), {"publicUrl": "https://media.example.org/other"}), "have different paths"),
    (ingress("other"), "Set traffic.controller"),
    (http_route("other"), "Set traffic.controller"),
    (http_route("traefik", parentRefs=[]), "set httpRoute.parentRefs"),
    (http_route("gke", requestTimeout="0s"), "GKE refuses routes with timeouts"),
    (merged(ingress("traefik"), http_route("traefik")), "set publicUrl"),
    (nested("metrics", {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}), "enable one of them"),
    (nested("metrics.alerts.disabled", ["VidferrySite"]), "which is no alert: docs/runbooks.md has the names of all"),
    (merged(ingress("other"), nested("networkPolicy.controllers", [{"podSelector": {}}])), "trustedProxies: the chart"),
    (merged(ingress("nginx"), nested("networkPolicy.enabled", False)), "trustedProxies: the chart"),
    (
        merged(http_route("traefik"), nested("networkPolicy.clients", [{"podSelector": {}}])),
        "trustedProxies: the chart",
    ),
    (
        merged(GCS, ingress("gke"), nested("networkPolicy.controllers", [{"ipBlock": {"cidr": "10.9.0.0/16"}}])),
        "trustedProxies: the chart",
    ),
    (
        merged(ingress("nginx"), nested("networkPolicy.controllers", [{"ipBlock": {"cidr": "0.0.0.0/0"}}])),
        "trustedProxies: the chart",
    ),
    (nested("settings", {"VIDFERRY_REDIS_PASSWORD": "a"}), "is a secret"),
    (nested("worker.settings", {"VIDFERRY_EGRESS_PROXY_PASSWORD": "a"}), "is a secret"),
    (nested("settings", {"VIDFERRY_REDIS_SENTINEL_PASSWORD": "a"}), "is a secret"),
    (nested("api.settings", {"VIDFERRY_SIGNING_KEY": "a"}), "is a secret"),
    (
        nested("worker.settings", {"VIDFERRY_WORKER_SLOTS": 4}),
        "is set by the chart",
    ),
    (nested("settings", {"VIDFERRY_GATEWAY_PORT": 80}), "is set by the chart"),
    (nested("api.settings", {"VIDFERRY_REDIS_USERNAME": "a"}), "is set by the chart"),
    (nested("settings", {"VIDFERRY_REDIS_SENTINEL_USERNAME": "a"}), "is set by the chart"),
    (nested("worker.settings", {"VIDFERRY_EGRESS_PROXY": "http://a:1"}), "is set by the chart"),
    (nested("settings", {"VIDFERRY_TRUSTED_PROXIES": "10.0.0.0/8"}), "is set by the chart"),
    (
        nested("settings", {"VIDFERRY_QUEUE_CAPS": 1}),
        "no such setting of any service. Did you mean VIDFERRY_QUEUE_CAP?",
    ),
    (nested("worker.settings", {"VIDFERRY_RETRY": 1}), "no such setting of worker. Did you mean VIDFERRY_RETRY_DELAY?"),
    (
        nested("gateway.settings", {"VIDFERRY_GATEWAY_SLOW_SECONS": 1}),
        "no such setting of gateway. Did you mean VIDFERRY_GATEWAY_SLOW_SECONDS?",
    ),
    (nested("api.settings", {"VIDFERRY_LEASE": 1}), "no such setting of api."),
    (nested("worker.settings", {"VIDFERRY_MAX_DISK": 10 * 1024**3}), "VIDFERRY_MAX_DISK is more than"),
]
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"buket": {}}, "additional properties 'buket' not allowed"),
    ({"api": {"replica": 2}}, "at '/api': additional properties 'replica' not allowed"),
    ({"redis": {"bundled": {"persistence": {"sise": "1Gi"}}}}, "additional properties 'sise' not allowed"),
    ({"bucket": {"type": "azure"}}, "value must be one of 'gcs', 's3', 'folder'"),
    ({"bucket": {"s3": {"name": "Videos"}}}, "at '/bucket/s3/name': 'Videos' does not match pattern"),
    ({"bucket": {"s3": {"prefix": "a/../b"}}}, "at '/bucket/s3/prefix': 'a/../b' does not match pattern"),
    ({"bucket": {"s3": {"endpoint": "minio:9000"}}}, "at '/bucket/s3/endpoint': 'minio:9000' does not match pattern"),
    (
        {"bucket": {"s3": {"publicEndpoint": "https://s3.example.org/minio"}}},
        "at '/bucket/s3/publicEndpoint': 'https://s3.example.org/minio' does not match pattern",
    ),
    ({"bucket": {"s3": {"roleArn": "vidferry"}}}, "at '/bucket/s3/roleArn': 'vidferry' does not match pattern"),
    ({"api": {"replicas": "2"}}, "at '/api/replicas': got string, want integer"),
    ({"worker": {"slots": 65}}, "maximum: got 65, want 64"),
    ({"worker": {"maxBytes": 1000}}, "at '/worker/maxBytes': got number, want string"),
    ({"worker": {"egressAllow": ["10.0.0.1"]}}, "at '/worker/egressAllow/0': '10.0.0.1' does not match pattern"),
    ({"redis": {"external": {"sentinel": {"hosts": ["redis://a"]}}}}, "at '/redis/external/sentinel/hosts/0'"),
    ({"redis": {"external": {"sentinel": {"master": ""}}}}, "at '/redis/external/sentinel/master'"),
    ({"settings": {"LOG": "a"}}, "'LOG' does not match pattern"),
    (
        {"worker": {"lifecycle": {"stopSignal": "SIGKILL"}}},
        "at '/worker/lifecycle': additional properties 'stopSignal'",
    ),
    ({"publicUrl": "media.example.org"}, "at '/publicUrl': 'media.example.org' does not match pattern"),
    ({"ingress": {"path": "vidferry"}}, "at '/ingress/path': 'vidferry' does not match pattern"),
    ({"api": {"image": {"digest": "sha256:abc"}}}, "at '/api/image/digest'"),
    ({"access": {"mode": "open"}}, "at '/access/mode': value must be one of 'none', 'keys', 'oidc'"),
    (
        {
            "access": {
                "keys": [{"name": "ci", "owner": "a b", "sha256": "vf_a", "scopes": ["job:write"], "key": "vf_a"}]
            }
        },
        "at '/access/keys/0': additional properties 'key' not allowed",
    ),
    ({"access": {"owners": {"a": {"jobs": 1}}}}, "at '/access/owners/a': additional properties 'jobs' not allowed"),
    ({"access": {"userHeader": "X-User: a"}}, "at '/access/userHeader'"),
]
"""values of a wrong shape, and what the schema says; all of them are given at once"""
JUST_RIGHT: list[dict[str, Any]] = [
    merged(
        nested("worker", {"slots": 3, "childMemory": "512Mi", "work": {"sizeLimit": "12Gi"}}),
        nested("worker.resources.limits.ephemeral-storage", "12800Mi"),
    ),
    nested("worker.resources.limits.ephemeral-storage", "9728Mi"),
    nested("api.resources.limits.ephemeral-storage", "512Mi"),
    nested("worker", {"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}, "terminationGracePeriodSeconds": 65}),
    nested("worker.resources.limits.memory", "2Gi"),
    nested("endedBytes", "160Mi"),
    merged(EXTERNAL_REDIS, nested("endedBytes", "9Gi")),
    nested("worker", {"terminationGracePeriodSeconds": 45}),
    nested("worker.strategy.rollingUpdate", {"maxUnavailable": 1}),
    nested("worker", {"replicas": 3, "strategy": {"rollingUpdate": {"maxUnavailable": "60%"}}}),
    nested("worker", {"replicas": 1, "strategy": {"rollingUpdate": None}}),
    nested("worker", {"replicas": 0, "strategy": {"rollingUpdate": {"maxUnavailable": 1}}}),
    nested("api.settings", {"VIDFERRY_HOST": "::"}),  # where pods have IPv6 addresses alone
    nested("gateway", {"terminationGracePeriodSeconds": 25}),
    merged(S3_IN_CLUSTER, nested("bucket.s3", {"endpoint": "http://minio.storage.svc:9000", "allowHttp": True})),
    merged(S3_IN_CLUSTER, {"networkPolicy": {"enabled": False, "bucket": {"peers": []}}}),
    merged(S3_IN_CLUSTER, {"networkPolicy": {"bucketRanges": ["10.0.0.0/8"], "bucket": {"peers": []}}}),
    merged(S3, nested("bucket.s3", {"region": "", "endpoint": "https://a.r2.cloudflarestorage.com"})),
    merged(ingress("other"), nested("networkPolicy.controllers", [{"namespaceSelector": {}}]), {"trustedProxies": []}),
    merged(ingress("other"), nested("networkPolicy.enabled", False), {"trustedProxies": ["10.0.0.0/8"]}),
    merged(ingress("traefik"), http_route("traefik"), {"publicUrl": "https://media.example.org"}),
    nested("worker", {"work": {"storageClass": "fast"}, "resources": {"limits": {"ephemeral-storage": "1Gi"}}}),
]
RENDERED = JUST_RIGHT


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """The sentences for each of REFUSED, of one `helm lint`: it tells them and goes on where `helm template` stops."""
    folder = tmp_path_factory.mktemp("refusals")
    checks, charts = folder / "vidferry", folder / "charts"
    shutil.copytree(CHART, checks, ignore=shutil.ignore_patterns("[!_]*.yaml", "dashboards"))
    for name in ("Chart.yaml", "values.yaml"):
        shutil.copy(CHART / name, checks)
    values = nest_charts(charts, [values for values, _ in REFUSED], checks)
    (charts / "templates").mkdir()
    (charts / "templates" / "checks.yaml").write_text(CHECK_EACH)
    sentences: list[list[str]] = []
    for line in lint(charts, values).splitlines():
        message = json.loads(line.partition("message=")[2] or '""')
        if message == NEXT:
            sentences.append([])
        elif sentences:
            sentences[-1].append(message)
    return sentences


@pytest.mark.parametrize("number", range(len(REFUSED)), ids=[sentence for _, sentence in REFUSED])
def test_values_that_exclude_each_other(told: list[list[str]], number: int) -> None:
    assert len(told) == len(REFUSED)
    assert told[number], "taken"
    assert REFUSED[number][1] in told[number][0]
    assert told[number][0].endswith(".")


def test_helm_stops_at_the_first_sentence() -> None:
    scaled = {"autoscaling": {"hpa": {"enabled": True}}, "resources": {"requests": {"cpu": None}}}
    said = refusal({"api": scaled, "adminPort": 3002})
    assert "set api.resources.requests.cpu" in said
    assert "adminPort" not in said
    assert said.rstrip().endswith(".")


def test_every_sentence_is_among_them() -> None:
    """What a sentence takes from values stands as %s in the chart."""
    checks = (CHART / "templates" / "_checks.tpl").read_text()
    sentences = re.findall(r'fail \(?(?:printf )?"(.+?)"', checks)
    assert len(sentences) == checks.count("fail ")
    wanted = {
        re.sub(r"\b(api|worker|gateway|redis\.bundled|ingress|httpRoute)\b(?=\.)", "%s", each) for _, each in REFUSED
    }
    wanted |= {each for _, each in REFUSED}
    for sentence in sentences:
        assert any(each in sentence for each in wanted), sentence
    for each in wanted:
        assert sum(each in sentence for sentence in sentences) <= 1, each


def test_the_schema_says_where_and_why() -> None:
    told = refusal(merged(*(values for values, _ in WRONG)))
    assert [said for _, said in WRONG if said not in told] == []


def test_what_is_just_right_is_taken() -> None:
    for values in JUST_RIGHT:
        render(values)
