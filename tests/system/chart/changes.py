"""For each value of the chart what it changes.

A key is the value's path. Its entry is the value given, the resource it shows in, and how a leaf of that resource then
ends (`path=value`), which none does without it; behind `not ` stands what is gone. Last, what a value needs beside it.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from support.chart import merged, nested
from system.chart.value_sets import (
    EXTERNAL_REDIS,
    GCS,
    GCS_KEY,
    HPA,
    KEDA,
    KEYS,
    OIDC,
    OPEN,
    OWN_SECRETS,
    REDIS_TLS,
    S3,
    S3_IN_CLUSTER,
    SENTINEL,
    USER_HEADER,
    http_route,
    ingress,
)


class Change(NamedTuple):
    value: Any
    resource: str
    leaf: str
    beside: dict[str, Any]


def change(value: Any, resource: str, leaf: str, beside: dict[str, Any] | None = None) -> Change:
    return Change(value, resource, leaf, beside or {})


DIGEST = "sha256:" + "a" * 64
API, WORKER, GATEWAY = (f"Deployment/vidferry-{name}" for name in ("api", "worker", "gateway"))
REDIS = "StatefulSet/vidferry-redis"
POD = "spec.template.spec"
PEER = [{"ipBlock": {"cidr": "10.9.0.0/16"}}]
POLICY = "NetworkPolicy/vidferry-"
ALERTS, ALERTED = "PrometheusRule/vidferry", {"metrics": {"alerts": {"enabled": True}}}
POD_MONITOR = {"metrics": {"podMonitor": {"enabled": True}}}
SCALED = merged(HPA, nested("worker.autoscaling.keda.enabled", True))
HOSTS = ",".join(
    f"vidferry-{name}{domain}"
    for name in ("api", "gateway")
    for domain in ("", ".media", ".media.svc", ".media.svc.cluster.local")
)
NGINX = ingress("nginx")
PLAIN = ingress("nginx", tls={"enabled": False, "secretName": ""})
GKE = ingress("gke")
ROUTE = http_route("traefik")
API_SETTINGS = "ConfigMap/vidferry-api"
OPEN_HOOKS = merged(OPEN, {"webhooks": {"enabled": True, "existingSecret": "hooks"}})
KEYS_TOO = merged(KEYS, nested("access.firstKey", True))
COLLECTOR = "http://collector.tracing:4318"
OTHER_ROLE = "arn:aws-cn:iam::210987654321:role/media/other"
S3_BY_FILE = merged(
    S3,
    nested("bucket.s3.roleArn", ""),
    {name: {"extraEnv": [{"name": "AWS_CONFIG_FILE", "value": "/aws"}]} for name in ("api", "worker")},
)
TRACED = nested("tracing.endpoint", COLLECTOR)

NUMBERS_OF_ALERTS = (
    *(f"objectives.{name}" for name in ("requests", "downloads", "starts", "messages")),
    *(
        f"thresholds.{name}"
        for name in (
            "minFailures", "waitSeconds", "siteFailureShare", "siteAttempts", "outdatedShare", "bundleDays",
            "bundleRollbacks", "pausedSeconds", "pausedDownloads", "workerLosses", "redisMemoryShare",
            "slowClientShare", "slowClients", "diskShare", "webhookFailureShare", "webhookWaitSeconds",
            "lostSpanShare", "clockOffsetSeconds", "loopLagSeconds",
        )
    ),
)  # fmt: skip

UNSHOWN = {
    "enabled": "a parent chart's condition, which helm itself reads: test_subchart.py",
    "global": "a parent chart's: test_subchart.py",
    "bucket.s3.allowHttp": "only refused without it: test_refusals.py",
    "bucket.folder.singleNode": "shown with accessMode: test_bucket.py",
    "access.keys": "in the Secret's file: test_access.py",
    "access.owners": "in the Secret's file: test_access.py",
    "access.credentials": "in the Secret's file: test_cookies.py",
    "webhooks.owners": "in the Secret's file: test_webhooks.py",
    "redis.bundled.enabled": "shown with redis.external.host: test_redis.py",
    "redis.external.cluster": "only refused: test_refusals.py",
    "worker.autoscaling.hpa.enabled": "only refused: test_refusals.py",
    "metrics.dashboards.enabled": "needs a dashboard: test_metrics.py",
    "metrics.dashboards.labels": "needs a dashboard: test_metrics.py",
    "metrics.dashboards.annotations": "needs a dashboard: test_metrics.py",
    **{f"metrics.alerts.{name}": "amid expressions: test_alerts.py" for name in NUMBERS_OF_ALERTS},
}

CHANGES: dict[str, Change] = {
    "nameOverride": change("videos", "Service/vidferry-videos-api", "spec.type=ClusterIP"),
    "fullnameOverride": change("videos", "Service/videos-api", "spec.type=ClusterIP"),
    "commonLabels": change({"team": "media"}, API, "metadata.labels.team=media"),
    "commonAnnotations": change({"team": "media"}, API, "metadata.annotations.team=media"),
    "publicUrl": change("https://a.example/", "ConfigMap/vidferry-api", "VIDFERRY_PUBLIC_URL=https://a.example"),
    "allowedHosts": change(
        ["a.example", "10.0.0.0/8"],
        "ConfigMap/vidferry-gateway",
        f"VIDFERRY_ALLOWED_HOSTS=a.example,10.0.0.0/8,{HOSTS}",
    ),
    "clusterDomain": change(
        "a.example", "ConfigMap/vidferry-api", "VIDFERRY_ALLOWED_HOSTS=" + HOSTS.replace("cluster.local", "a.example")
    ),
    "image.registry": change("registry.example/", GATEWAY, "image=registry.example/vidferry-gateway:0.2.0"),
    "image.tag": change("2.0.0", WORKER, "image=vidferry-worker:2.0.0"),
    "image.pullPolicy": change("Always", API, "imagePullPolicy=Always"),
    "image.pullSecrets": change([{"name": "key"}], REDIS, "imagePullSecrets[0].name=key"),
    "log.level": change("debug", "ConfigMap/vidferry-gateway", "VIDFERRY_LOG_LEVEL=debug"),
    "log.format": change("text", "ConfigMap/vidferry-worker", "VIDFERRY_LOG_FORMAT=text"),
    "tracing.endpoint": change(COLLECTOR, "ConfigMap/vidferry-gateway", f"OTEL_EXPORTER_OTLP_ENDPOINT={COLLECTOR}"),
    "tracing.ratio": change(0.1, "ConfigMap/vidferry-worker", "OTEL_TRACES_SAMPLER_ARG=0.1", TRACED),
    "recordDays": change(0.5, "ConfigMap/vidferry-api", "VIDFERRY_RECORD_DAYS=0.5"),
    "endedBytes": change("1Mi", "ConfigMap/vidferry-worker", "VIDFERRY_ENDED_BYTES=1048576"),
    "settings": change({"VIDFERRY_QUEUE_CAP": 1}, "ConfigMap/vidferry-api", "data.VIDFERRY_QUEUE_CAP=1"),
    "trustedProxies": change(
        ["10.7.0.0/16", "fd00::/8"],
        "ConfigMap/vidferry-gateway",
        "VIDFERRY_TRUSTED_PROXIES=10.7.0.0/16,fd00::/8",
        ingress("traefik"),
    ),
    "adminPort": change(9100, WORKER, "ports[0].containerPort=9100"),
    "podSecurityContext": change({"runAsUser": 1001}, API, "securityContext.runAsUser=1001"),
    "securityContext": change({"procMount": "Default"}, API, "securityContext.procMount=Default"),
    "tmpSizeLimit": change("128Mi", WORKER, "volumes[0].emptyDir.sizeLimit=128Mi"),
    "bucket.type": change(
        "gcs",
        "ConfigMap/vidferry-worker",
        "VIDFERRY_BUCKET=gs://videos",
        {"bucket": {"gcs": {"name": "videos", "existingSecret": "gcs-key"}}},
    ),
    "bucket.linkLifetime": change(60, "ConfigMap/vidferry-api", "VIDFERRY_LINK_LIFETIME=60"),
    "bucket.retention.days": change(0.5, "ConfigMap/vidferry-worker", "VIDFERRY_RETENTION_DAYS=0.5"),
    "bucket.retention.bytes": change("500Gi", "ConfigMap/vidferry-worker", "VIDFERRY_RETENTION_BYTES=536870912000"),
    "bucket.retention.interval": change(60, "ConfigMap/vidferry-worker", "VIDFERRY_RETENTION_INTERVAL=60"),
    "bucket.index.objects": change(2000000, "ConfigMap/vidferry-worker", "VIDFERRY_INDEXED_OBJECTS=2000000"),
    "bucket.index.interval": change(60, "ConfigMap/vidferry-worker", "VIDFERRY_REINDEX_INTERVAL=60"),
    "bucket.gcs.name": change("other", "ConfigMap/vidferry-api", "VIDFERRY_BUCKET=gs://other", GCS),
    "bucket.gcs.prefix": change("a/b", "ConfigMap/vidferry-api", "VIDFERRY_BUCKET=gs://videos/a/b", GCS),
    "bucket.gcs.workloadIdentity.enabled": change(
        True,
        f"{POLICY}worker",
        "to[0].ipBlock.cidr=169.254.169.252/32",
        {"bucket": {"type": "gcs", "gcs": {"name": "a", "endpoint": "http://storage"}}},
    ),
    "bucket.gcs.workloadIdentity.googleServiceAccount": change(
        "a@b", "ServiceAccount/vidferry-worker", "annotations.iam.gke.io/gcp-service-account=a@b", GCS
    ),
    "bucket.gcs.existingSecret": change("other", WORKER, "secret.secretName=other", GCS_KEY),
    "bucket.gcs.existingSecretKey": change("a.json", WORKER, "secret.items[0].key=a.json", GCS_KEY),
    "bucket.gcs.signer": change("a@b", "ConfigMap/vidferry-api", "VIDFERRY_GCS_SIGNER=a@b", GCS),
    "bucket.gcs.endpoint": change("https://a:4443", f"{POLICY}api", ".port=4443", GCS),
    "bucket.gcs.iamEndpoint": change("https://a", "ConfigMap/vidferry-api", "VIDFERRY_IAM_ENDPOINT=https://a", GCS),
    "bucket.s3.name": change("other", API_SETTINGS, "VIDFERRY_BUCKET=s3://other/media", S3),
    "bucket.s3.prefix": change("a/b", API_SETTINGS, "VIDFERRY_BUCKET=s3://videos/a/b", S3),
    "bucket.s3.endpoint": change("https://10.1.2.3:9000", f"{POLICY}api", "to[0].ipBlock.cidr=10.1.2.3/32", S3),
    "bucket.s3.publicEndpoint": change(
        "https://a.example/", API_SETTINGS, "VIDFERRY_S3_PUBLIC_ENDPOINT=https://a.example", S3
    ),
    "bucket.s3.region": change("us-west-2", API_SETTINGS, "VIDFERRY_S3_REGION=us-west-2", S3),
    "bucket.s3.addressing": change("path", API_SETTINGS, "VIDFERRY_S3_ADDRESSING=path", S3),
    "bucket.s3.roleArn": change(OTHER_ROLE, "ServiceAccount/vidferry-worker", f"role-arn={OTHER_ROLE}", S3),
    "bucket.s3.podIdentity": change(True, f"{POLICY}worker", "to[0].ipBlock.cidr=169.254.170.23/32", S3_BY_FILE),
    "bucket.s3.existingSecret": change("mine", WORKER, "secretKeyRef.name=mine", S3_BY_FILE),
    "bucket.s3.kmsKey": change("a", "ConfigMap/vidferry-worker", "VIDFERRY_S3_KMS_KEY=a", S3),
    "bucket.s3.storageClass": change("A", "ConfigMap/vidferry-worker", "VIDFERRY_S3_STORAGE_CLASS=A", S3),
    "bucket.s3.caSecret": change("mine", WORKER, "secret.secretName=mine", S3),
    "bucket.s3.caConfigMap": change("mine", WORKER, "configMap.name=mine", S3),
    "bucket.s3.caKey": change("mine.pem", WORKER, "secret.items[0].key=mine.pem", S3_IN_CLUSTER),
    "bucket.folder.existingClaim": change("videos", WORKER, "persistentVolumeClaim.claimName=videos"),
    "bucket.folder.storageClass": change("nfs", "PersistentVolumeClaim/vidferry-bucket", "storageClassName=nfs"),
    "bucket.folder.accessMode": change(
        "ReadWriteOnce",
        "PersistentVolumeClaim/vidferry-bucket",
        "accessModes[0]=ReadWriteOnce",
        {"bucket": {"folder": {"singleNode": True}}},
    ),
    "bucket.folder.size": change("1Ti", "PersistentVolumeClaim/vidferry-bucket", "requests.storage=1Ti"),
    "bucket.folder.keep": change(False, "PersistentVolumeClaim/vidferry-bucket", "not resource-policy=keep"),
    "bucket.folder.annotations": change({"a": "b"}, "PersistentVolumeClaim/vidferry-bucket", "annotations.a=b"),
    "bucket.signingKey.existingSecret": change("mine", API, "valueFrom.secretKeyRef.name=mine"),
    "bucket.signingKey.existingSecretKey": change(
        "mine", API, "secretKeyRef.key=mine", {"bucket": {"signingKey": {"existingSecret": "a"}}}
    ),
    "access.mode": change("none", "ConfigMap/vidferry-gateway", "VIDFERRY_ACCESS=none"),
    "access.firstKey": change(False, "Secret/vidferry-first-key", "not metadata.name=vidferry-first-key", KEYS_TOO),
    "access.existingSecret": change("mine", API, "secret.secretName=mine"),
    "access.existingSecretKey": change("mine", API, "secret.items[0].key=mine", OWN_SECRETS),
    "access.ticketKeys.existingSecret": change("mine", GATEWAY, "secretKeyRef.name=mine"),
    "access.ticketKeys.existingSecretKey": change("mine", GATEWAY, "secretKeyRef.key=mine", OWN_SECRETS),
    "access.ticketHours": change(0.5, "ConfigMap/vidferry-gateway", "VIDFERRY_TICKET_HOURS=0.5"),
    "access.oidc.issuer": change("https://a.example", API_SETTINGS, "VIDFERRY_OIDC_ISSUER=https://a.example", OIDC),
    "access.oidc.audience": change("a", API_SETTINGS, "VIDFERRY_OIDC_AUDIENCE=a", OIDC),
    "access.oidc.ownerClaim": change("email", API_SETTINGS, "VIDFERRY_OIDC_OWNER_CLAIM=email", OIDC),
    "access.oidc.scopesClaim": change("roles", API_SETTINGS, "VIDFERRY_OIDC_SCOPES_CLAIM=roles", OIDC),
    "access.oidc.defaultScopes": change(
        ["jobs:read", "objects:read"], API_SETTINGS, "VIDFERRY_OIDC_DEFAULT_SCOPES=jobs:read,objects:read", OIDC
    ),
    "access.oidc.algorithms": change(["EdDSA"], API_SETTINGS, "VIDFERRY_OIDC_ALGORITHMS=EdDSA", OIDC),
    "access.userHeader": change(
        "X-User", API_SETTINGS, "VIDFERRY_ACCESS_USER_HEADER=X-User", {"trustedProxies": ["10.0.0.7/32"]}
    ),
    "access.userScopes": change(["jobs:read"], API_SETTINGS, "VIDFERRY_ACCESS_USER_SCOPES=jobs:read", USER_HEADER),
    "worker.ytdlp.version": change("stable", "ConfigMap/vidferry-worker", "VIDFERRY_YTDLP=stable"),
    "worker.ytdlp.interval": change(3600, "ConfigMap/vidferry-worker", "VIDFERRY_YTDLP_INTERVAL=3600"),
    "worker.ytdlp.hold": change(["2026.1.2"], "ConfigMap/vidferry-worker", "VIDFERRY_YTDLP_HOLD=2026.1.2"),
    "worker.cookies.existingSecret": change("mine", WORKER, "secret.secretName=mine"),
    "worker.sites.rules": change({"a.example": {}}, WORKER, "secret.secretName=vidferry-sites"),
    "worker.sites.existingSecret": change("mine", WORKER, "secret.secretName=mine"),
    "worker.sites.existingSecretKey": change(
        "mine", WORKER, "key=mine", nested("worker.sites.existingSecret", "sites")
    ),
    "webhooks.enabled": change(True, WORKER, "mountPath=/etc/vidferry/access"),
    "webhooks.existingSecret": change("mine", WORKER, "secretKeyRef.name=mine", OPEN_HOOKS),
    "webhooks.existingSecretKey": change("mine", API, "secretKeyRef.key=mine", OPEN_HOOKS),
    "webhooks.allowHttp": change(
        True, "ConfigMap/vidferry-worker", "VIDFERRY_WEBHOOK_HTTP=true", nested("webhooks.enabled", True)
    ),
    "access.shareObjects": change("owner", API_SETTINGS, "VIDFERRY_SHARE_OBJECTS=owner"),
    "redis.external.host": change("10.1.2.3", f"{POLICY}gateway", "ipBlock.cidr=10.1.2.3/32", EXTERNAL_REDIS),
    "redis.external.port": change(6390, f"{POLICY}gateway", "ports[0].port=6390", EXTERNAL_REDIS),
    "redis.external.database": change(
        3, "ConfigMap/vidferry-api", "VIDFERRY_REDIS_URL=redis://redis.example.org:6379/3", EXTERNAL_REDIS
    ),
    "redis.external.username": change("me", "ConfigMap/vidferry-worker", "VIDFERRY_REDIS_USERNAME=me", EXTERNAL_REDIS),
    "redis.external.existingSecret": change("mine", WORKER, "secretKeyRef.name=mine", EXTERNAL_REDIS),
    "redis.external.existingSecretKey": change("mine", WORKER, "secretKeyRef.key=mine", EXTERNAL_REDIS),
    "redis.external.tls.enabled": change(
        True, "ConfigMap/vidferry-api", "VIDFERRY_REDIS_URL=rediss://redis.example.org:6379/0", EXTERNAL_REDIS
    ),
    "redis.external.tls.existingSecret": change("mine", GATEWAY, "secret.secretName=mine", REDIS_TLS),
    "redis.external.tls.existingSecretKey": change("mine", GATEWAY, "secret.items[0].key=mine", REDIS_TLS),
    "redis.external.sentinel.hosts": change(
        ["a", "[::1]:5"],
        "ConfigMap/vidferry-api",
        "VIDFERRY_REDIS_URL=redis+sentinel://a:26379,[::1]:5/mymaster/0",
        {"redis": {"bundled": {"enabled": False}, "external": {"sentinel": {"hosts": ["b"]}}}},
    ),
    "redis.external.sentinel.master": change("mine", "ConfigMap/vidferry-gateway", "/mine/0", SENTINEL),
    "redis.external.sentinel.username": change(
        "me", "ConfigMap/vidferry-worker", "VIDFERRY_REDIS_SENTINEL_USERNAME=me", SENTINEL
    ),
    "redis.external.sentinel.existingSecret": change("mine", API, "secretKeyRef.name=mine", SENTINEL),
    "redis.external.sentinel.existingSecretKey": change("mine", API, "secretKeyRef.key=mine", SENTINEL),
    "redis.bundled.image.registry": change("registry.example", REDIS, "image=registry.example/valkey/valkey:8.1"),
    "redis.bundled.image.repository": change("redis", REDIS, "image=redis:8.1"),
    "redis.bundled.image.tag": change("8.2", REDIS, "image=valkey/valkey:8.2"),
    "redis.bundled.image.digest": change(DIGEST, REDIS, f"image=valkey/valkey@{DIGEST}"),
    "redis.bundled.existingSecret": change("mine", REDIS, "secretKeyRef.name=mine"),
    "redis.bundled.existingSecretKey": change(
        "mine", GATEWAY, "secretKeyRef.key=mine", {"redis": {"bundled": {"existingSecret": "a"}}}
    ),
    "redis.bundled.runAsUser": change(1001, REDIS, "securityContext.fsGroup=1001"),
    "redis.bundled.maxMemory": change(
        "400M", "ConfigMap/vidferry-redis", "maxmemory 400000000\nmaxmemory-policy noeviction\n"
    ),
    "redis.bundled.config": change("io-threads 2", "ConfigMap/vidferry-redis", "\nio-threads 2\n"),
    "redis.bundled.persistence.size": change("9Gi", REDIS, "requests.storage=9Gi"),
    "redis.bundled.persistence.storageClass": change("fast", REDIS, "spec.storageClassName=fast"),
    "redis.bundled.persistence.keep": change(False, REDIS, "whenDeleted=Delete"),
    "redis.bundled.resources": change({"requests": {"cpu": "7m"}}, REDIS, "requests.cpu=7m"),
    "redis.bundled.nodeSelector": change({"a": "b"}, REDIS, "nodeSelector.a=b"),
    "redis.bundled.tolerations": change([{"operator": "Exists"}], REDIS, "tolerations[0].operator=Exists"),
    "redis.bundled.affinity": change({"nodeAffinity": {"a": "b"}}, REDIS, "affinity.nodeAffinity.a=b"),
    "redis.bundled.priorityClassName": change("high", REDIS, "priorityClassName=high"),
    "redis.bundled.podAnnotations": change({"a": "b"}, REDIS, "template.metadata.annotations.a=b"),
    "redis.bundled.podLabels": change({"a": "b"}, REDIS, "template.metadata.labels.a=b"),
    "worker.slots": change(1, "ConfigMap/vidferry-worker", "VIDFERRY_WORKER_SLOTS=1"),
    "worker.lookSlots": change(1, "ConfigMap/vidferry-worker", "VIDFERRY_LOOK_SLOTS=1"),
    "worker.maxEntries": change(20, "ConfigMap/vidferry-worker", "VIDFERRY_MAX_ENTRIES=20"),
    "worker.maxBytes": change("1G", "ConfigMap/vidferry-worker", "VIDFERRY_MAX_BYTES=1000000000"),
    "worker.childMemory": change("500M", "ConfigMap/vidferry-worker", "VIDFERRY_CHILD_MEMORY=500000000"),
    "worker.work.sizeLimit": change("9100Mi", WORKER, "emptyDir.sizeLimit=9100Mi"),
    "worker.work.storageClass": change("fast", WORKER, "ephemeral.volumeClaimTemplate.spec.storageClassName=fast"),
    "worker.grace": change(599.5, WORKER, "terminationGracePeriodSeconds=630"),
    "worker.egressAllow": change(["10.9.0.0/16"], f"{POLICY}worker", "ipBlock.cidr=10.9.0.0/16"),
    "worker.egressPorts": change([81, 82], "ConfigMap/vidferry-worker", "VIDFERRY_EGRESS_PORTS=81,82"),
    "api.queueBytes": change("1Mi", "ConfigMap/vidferry-api", "VIDFERRY_QUEUE_BYTES=1048576"),
    "api.callerRate": change(7, "ConfigMap/vidferry-api", "VIDFERRY_CALLER_RATE=7"),
    "api.preStopSeconds": change(7, "Deployment/vidferry-api", "preStop.sleep.seconds=7"),
    "gateway.settleSeconds": change(7.5, GATEWAY, "terminationGracePeriodSeconds=38"),
    "worker.egressDeny": change(["34.9.0.0/16"], "ConfigMap/vidferry-worker", "VIDFERRY_EGRESS_DENY=34.9.0.0/16"),
    "worker.egressProxy": change(
        "http://proxy:3128", "ConfigMap/vidferry-worker", "VIDFERRY_EGRESS_PROXY=http://proxy:3128"
    ),
    "worker.sandbox": change("preferred", "ConfigMap/vidferry-worker", "VIDFERRY_SANDBOX=preferred"),
    "gateway.drainSeconds": change(20.5, GATEWAY, "terminationGracePeriodSeconds=51"),
    "gateway.closeSeconds": change(20, "ConfigMap/vidferry-gateway", "VIDFERRY_GATEWAY_CLOSE_SECONDS=20"),
    "worker.autoscaling.keda.enabled": change(True, "ScaledObject/vidferry-worker", "listName=arq:queue"),
    "worker.autoscaling.keda.downloadsPerPod": change(7, "ScaledObject/vidferry-worker", "listLength=7", KEDA),
    "worker.autoscaling.keda.pollingInterval": change(7, "ScaledObject/vidferry-worker", "pollingInterval=7", KEDA),
    "worker.autoscaling.keda.cooldownPeriod": change(7, "ScaledObject/vidferry-worker", "cooldownPeriod=7", KEDA),
    "worker.autoscaling.keda.fallbackReplicas": change(7, "ScaledObject/vidferry-worker", "fallback.replicas=7", KEDA),
    "gateway.autoscaling.keda.enabled": change(
        True,
        "ScaledObject/vidferry-gateway",
        'query=sum(vidferry_gateway_sockets{namespace="media"})',
        {"gateway": {"autoscaling": {"keda": {"serverAddress": "http://prometheus"}}}},
    ),
    "gateway.autoscaling.keda.serverAddress": change(
        "http://a", "ScaledObject/vidferry-gateway", "serverAddress=http://a", KEDA
    ),
    "gateway.autoscaling.keda.query": change("up", "ScaledObject/vidferry-gateway", "metadata.query=up", KEDA),
    "gateway.autoscaling.keda.socketsPerPod": change(7, "ScaledObject/vidferry-gateway", "threshold=7", KEDA),
    "gateway.autoscaling.keda.fallbackReplicas": change(
        7, "ScaledObject/vidferry-gateway", "fallback.replicas=7", KEDA
    ),
    "gateway.autoscaling.keda.authenticationRef": change(
        "a", "ScaledObject/vidferry-gateway", "authenticationRef.name=a", KEDA
    ),
    "traffic.controller": change(
        "nginx",
        "Ingress/vidferry",
        "proxy-read-timeout=86400",
        ingress("other", annotations={}) | {"networkPolicy": {"enabled": False}, "trustedProxies": []},
    ),
    "traffic.socketSeconds": change(7200, "BackendConfig/vidferry-gateway", "spec.timeoutSec=7200", GKE),
    "traffic.requestSeconds": change(7200, "BackendConfig/vidferry-api", "spec.timeoutSec=7200", GKE),
    "ingress.enabled": change(
        True,
        "Ingress/vidferry",
        "host=media.example.org",
        {"traffic": {"controller": "gke"}, "ingress": {"host": "media.example.org"}},
    ),
    "ingress.className": change("mine", "Ingress/vidferry", "ingressClassName=mine", NGINX),
    "ingress.host": change("a.example", "ConfigMap/vidferry-api", "VIDFERRY_PUBLIC_URL=https://a.example", NGINX),
    "ingress.path": change("/a/", "ConfigMap/vidferry-api", "VIDFERRY_PUBLIC_URL=https://media.example.org/a", NGINX),
    "ingress.annotations": change({"a": "b"}, "Ingress/vidferry", "annotations.a=b", NGINX),
    "ingress.tls.enabled": change(True, "Ingress/vidferry", "tls[0].hosts[0]=media.example.org", PLAIN),
    "ingress.tls.secretName": change("mine", "Ingress/vidferry", "tls[0].secretName=mine", NGINX),
    "httpRoute.enabled": change(
        True,
        "HTTPRoute/vidferry",
        "hostnames[0]=a.example",
        {"traffic": {"controller": "gke"}, "httpRoute": {"host": "a.example", "parentRefs": [{"name": "shared"}]}},
    ),
    "httpRoute.parentRefs": change([{"name": "mine"}], "HTTPRoute/vidferry", "parentRefs[0].name=mine", ROUTE),
    "httpRoute.host": change("a.example", "HTTPRoute/vidferry", "hostnames[0]=a.example", ROUTE),
    "httpRoute.path": change("/a", "HTTPRoute/vidferry", "matches[1].path.value=/a/sse", ROUTE),
    "httpRoute.tls": change(False, "ConfigMap/vidferry-api", "VIDFERRY_PUBLIC_URL=http://media.example.org", ROUTE),
    "httpRoute.requestTimeout": change("1h", "HTTPRoute/vidferry", "rules[0].timeouts.request=1h", ROUTE),
    "httpRoute.annotations": change({"a": "b"}, "HTTPRoute/vidferry", "annotations.a=b", ROUTE),
    "networkPolicy.enabled": change(False, f"{POLICY}redis", "not policyTypes[0]=Ingress"),
    "networkPolicy.controllers": change(PEER, f"{POLICY}gateway", "from[1].ipBlock.cidr=10.9.0.0/16"),
    "networkPolicy.clients": change(PEER, f"{POLICY}api", "from[1].ipBlock.cidr=10.9.0.0/16"),
    "networkPolicy.prometheus": change(PEER, f"{POLICY}worker", "from[0].ipBlock.cidr=10.9.0.0/16"),
    "networkPolicy.keda": change(PEER, f"{POLICY}redis", "from[1].ipBlock.cidr=10.9.0.0/16", KEDA),
    "networkPolicy.dns.peers": change(PEER, f"{POLICY}gateway", "to[0].ipBlock.cidr=10.9.0.0/16"),
    "networkPolicy.dns.ports": change([54], f"{POLICY}gateway", "egress[0].ports[1].port=54"),
    "networkPolicy.redisRanges": change(
        ["10.9.0.0/16"], f"{POLICY}worker", "to[0].ipBlock.cidr=10.9.0.0/16", EXTERNAL_REDIS
    ),
    "networkPolicy.bucketRanges": change(["10.9.0.0/16"], f"{POLICY}api", "to[0].ipBlock.cidr=10.9.0.0/16", GCS),
    "networkPolicy.bucket.peers": change(PEER, f"{POLICY}api", "to[0].ipBlock.cidr=10.9.0.0/16", GCS),
    "networkPolicy.bucket.ports": change([9001], f"{POLICY}worker", "ports[0].port=9001", S3_IN_CLUSTER),
    "networkPolicy.collector.peers": change(PEER, f"{POLICY}api", "to[0].ipBlock.cidr=10.9.0.0/16", TRACED),
    "networkPolicy.collector.ports": change([4319], f"{POLICY}gateway", "ports[0].port=4319", TRACED),
    "networkPolicy.issuer.peers": change(PEER, f"{POLICY}api", "to[0].ipBlock.cidr=10.9.0.0/16", OIDC),
    "networkPolicy.issuer.ports": change([8443], f"{POLICY}api", "ports[0].port=8443", OIDC),
    "networkPolicy.notPublic": change(["10.9.0.0/16"], f"{POLICY}worker", "ipBlock.except[0]=10.9.0.0/16"),
    "networkPolicy.notPublic6": change(["2002::/16"], f"{POLICY}worker", "ipBlock.except[0]=2002::/16"),
    "metrics.podMonitor.enabled": change(True, "PodMonitor/vidferry", "podMetricsEndpoints[0].port=admin"),
    "metrics.serviceMonitor.enabled": change(True, "ServiceMonitor/vidferry", "endpoints[0].port=admin"),
    "metrics.interval": change(7, "PodMonitor/vidferry", "interval=7s", POD_MONITOR),
    "metrics.labels": change({"a": "b"}, "PodMonitor/vidferry", "metadata.labels.a=b", POD_MONITOR),
    "metrics.alerts.enabled": change(True, ALERTS, "groups[0].name=vidferry-objectives"),
    "metrics.alerts.labels": change({"a": "b"}, ALERTS, "metadata.labels.a=b", ALERTED),
    "metrics.alerts.runbooks": change(
        "https://wiki.example/vidferry",
        ALERTS,
        "runbook_url=https://wiki.example/vidferry#vidferrysitefails",
        ALERTED,
    ),
    "metrics.alerts.disabled": change(["VidferrySiteFails"], ALERTS, "not alert=VidferrySiteFails", ALERTED),
    "extraManifests": change(
        ["{apiVersion: v1, kind: ConfigMap, metadata: {name: '{{ .Release.Name }}-a'}, data: {a: b}}"],
        "ConfigMap/vidferry-a",
        "data.a=b",
    ),
    "tests.enabled": change(False, "Pod/vidferry-test", "not restartPolicy=Never"),
    "tests.origin": change("https://a/b.mp4", "Pod/vidferry-test", "value=https://a/b.mp4"),
    "tests.accessKey.existingSecret": change("mine", "Pod/vidferry-test", "secretKeyRef.name=mine"),
    "tests.accessKey.existingSecretKey": change("mine", "Pod/vidferry-test", "secretKeyRef.key=mine", OWN_SECRETS),
    "tests.public.enabled": change(False, "Pod/vidferry-test", "not name=PUBLIC", NGINX),
    "tests.public.connectTo": change("a:443", "Pod/vidferry-test", "value=a:443", NGINX),
    "tests.public.checkCertificate": change(False, "Pod/vidferry-test", "value=false", NGINX),
    "tests.seconds": change(7, "Pod/vidferry-test", "value=7"),
}


def of_place(deployment: str) -> Iterator[tuple[str, Change]]:
    """Where and on what the pods of a service run."""
    yield "runtimeClassName", change("gvisor", deployment, "runtimeClassName=gvisor")
    yield "dnsConfig", change({"searches": ["a.example"]}, deployment, "dnsConfig.searches[0]=a.example")
    spread = [{"maxSkew": 7, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]
    yield "topologySpreadConstraints", change(spread, deployment, "topologySpreadConstraints[0].maxSkew=7")
    yield "affinity", change({"nodeAffinity": {"a": "b"}}, deployment, "affinity.nodeAffinity.a=b")
    yield "nodeSelector", change({"a": "b"}, deployment, "nodeSelector.a=b")
    yield "tolerations", change([{"operator": "Exists"}], deployment, "tolerations[0].operator=Exists")
    yield "priorityClassName", change("high", deployment, "priorityClassName=high")


def of_service(name: str) -> Iterator[tuple[str, Change]]:
    """What all three services have."""
    deployment, policy = f"Deployment/vidferry-{name}", f"{POLICY}{name}"
    yield "image.repository", change("a/b", deployment, "image=a/b:0.2.0")
    yield "image.tag", change("7", deployment, f"image=vidferry-{name}:7")
    yield "image.digest", change(DIGEST, deployment, f"image=vidferry-{name}@{DIGEST}")
    yield "replicas", change(7, deployment, "spec.replicas=7")
    records = "VIDFERRY_ENDED_RECORDS"
    yield "settings", change({records: 7}, f"ConfigMap/vidferry-{name}", f"{records}=7")
    scaler, count = (f"HorizontalPodAutoscaler/vidferry-{name}", "Replicas")
    if name == "worker":
        scaler, count = (f"ScaledObject/vidferry-{name}", "ReplicaCount")
    yield "autoscaling.minReplicas", change(7, scaler, f"min{count}=7", SCALED)
    yield "autoscaling.maxReplicas", change(7, scaler, f"max{count}=7", SCALED)
    yield "autoscaling.behavior", change({"scaleDown": {"a": 7}}, scaler, "behavior.scaleDown.a=7", SCALED)
    if name != "worker":
        yield "autoscaling.hpa.enabled", change(True, scaler, f"scaleTargetRef.name=vidferry-{name}")
        yield "autoscaling.hpa.targetCPUUtilizationPercentage", change(7, scaler, "averageUtilization=7", HPA)
    yield "resources", change({"requests": {"cpu": "7m"}}, deployment, "resources.requests.cpu=7m")
    yield "terminationGracePeriodSeconds", change(700, deployment, "terminationGracePeriodSeconds=700")
    yield "safeToEvict", change(None, deployment, f"not safe-to-evict={'false' if name == 'worker' else 'true'}")
    yield "strategy", change({"rollingUpdate": {"maxSurge": 2}}, deployment, "rollingUpdate.maxSurge=2")
    budget = f"PodDisruptionBudget/vidferry-{name}"
    yield "podDisruptionBudget.enabled", change(False, budget, "not maxUnavailable=1")
    yield "podDisruptionBudget.maxUnavailable", change("50%", budget, "maxUnavailable=50%")
    yield "serviceAccount.create", change(False, deployment, "serviceAccountName=default")
    yield "serviceAccount.name", change("mine", "ServiceAccount/mine", "metadata.name=mine")
    yield "serviceAccount.annotations", change({"a": "b"}, f"ServiceAccount/vidferry-{name}", "annotations.a=b")
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        yield probe, change({"failureThreshold": 7}, deployment, f"{probe}.failureThreshold=7")
    yield "revisionHistoryLimit", change(7, deployment, "revisionHistoryLimit=7")
    hook = {"postStart": {"sleep": {"seconds": 7}}}
    yield "lifecycle", change(hook, deployment, "lifecycle.postStart.sleep.seconds=7")
    more = [{"name": "more", "image": "a"}]
    yield "initContainers", change(more, deployment, "initContainers[0].name=more")
    yield "extraContainers", change(more, deployment, "containers[1].name=more")
    yield "annotations", change({"a": "b"}, deployment, " metadata.annotations.a=b")
    yield "podAnnotations", change({"a": "b"}, deployment, "template.metadata.annotations.a=b")
    yield "podLabels", change({"a": "b"}, deployment, "template.metadata.labels.a=b")
    yield "extraEnv", change([{"name": "A", "value": "b"}], deployment, "value=b")
    yield "extraEnvFrom", change([{"secretRef": {"name": "a"}}], deployment, "envFrom[1].secretRef.name=a")
    yield "extraVolumes", change([{"name": "a", "emptyDir": {}}], deployment, "name=a")
    yield "extraVolumeMounts", change([{"name": "a", "mountPath": "/a"}], deployment, "mountPath=/a")
    yield "extraEgress", change([{"to": PEER}], policy, "to[0].ipBlock.cidr=10.9.0.0/16")
    yield from of_place(deployment)
    if name != "worker":
        service = f"Service/vidferry-{name}"
        yield "port", change(8000, service, "ports[0].port=8000")
        yield "service.type", change("NodePort", service, "spec.type=NodePort")
        yield "service.annotations", change({"a": "b"}, service, "annotations.a=b")


SERVICES: dict[str, dict[str, Change]] = {}
"""path below a service → service → change; what services have in common is rendered for all of them at once"""
for _name in ("api", "worker", "gateway"):
    for _path, _change in of_service(_name):
        SERVICES.setdefault(_path, {})[_name] = _change
