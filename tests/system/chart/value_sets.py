"""Ways to install the chart that people use: each is rendered, and all that it makes is checked."""

from typing import Any

from support.chart import merged

GCS: dict[str, Any] = {
    "bucket": {
        "type": "gcs",
        "gcs": {
            "name": "videos",
            "workloadIdentity": {"enabled": True, "googleServiceAccount": "vidferry@project.iam.gserviceaccount.com"},
        },
    }
}
GCS_KEY: dict[str, Any] = {"bucket": {"type": "gcs", "gcs": {"name": "videos", "existingSecret": "gcs-key"}}}
S3: dict[str, Any] = {
    "bucket": {
        "type": "s3",
        "s3": {
            "name": "videos",
            "prefix": "media",
            "region": "eu-central-1",
            "roleArn": "arn:aws:iam::123456789012:role/vidferry",
            "kmsKey": "alias/videos",
            "storageClass": "INTELLIGENT_TIERING",
        },
    }
}
STORE = [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "minio"}}}]
S3_IN_CLUSTER: dict[str, Any] = {
    "bucket": {
        "type": "s3",
        "s3": {
            "name": "videos",
            "endpoint": "https://minio.storage.svc",
            "publicEndpoint": "https://s3.example.org",
            "existingSecret": "s3-key",
            "caSecret": "s3-authority",
        },
    },
    "networkPolicy": {"bucket": {"peers": STORE, "ports": [9000]}},
}
EXTERNAL_REDIS: dict[str, Any] = {
    "redis": {
        "bundled": {"enabled": False},
        "external": {"host": "redis.example.org", "existingSecret": "redis-secret"},
    }
}
REDIS_TLS: dict[str, Any] = merged(
    EXTERNAL_REDIS,
    {
        "redis": {
            "external": {
                "port": 6380,
                "database": 2,
                "username": "vidferry",
                "tls": {"enabled": True, "existingSecret": "redis-authority"},
            }
        }
    },
)
SENTINEL: dict[str, Any] = {
    "redis": {
        "bundled": {"enabled": False},
        "external": {
            "existingSecret": "redis-secret",
            "sentinel": {
                "hosts": ["redis-0.redis", "redis-1.redis:26380"],
                "username": "asker",
                "existingSecret": "sentinel-secret",
            },
        },
    }
}
SENTINEL_TLS: dict[str, Any] = merged(
    SENTINEL,
    {
        "redis": {
            "external": {
                "port": 6380,
                "database": 2,
                "username": "vidferry",
                "tls": {"enabled": True, "existingSecret": "redis-authority"},
            }
        }
    },
)
HPA: dict[str, Any] = {
    name: {"autoscaling": {"minReplicas": 1, "hpa": {"enabled": True}}} for name in ("api", "gateway")
}
KEDA: dict[str, Any] = {
    "worker": {"autoscaling": {"minReplicas": 0, "keda": {"enabled": True}}},
    "gateway": {"autoscaling": {"keda": {"enabled": True, "serverAddress": "http://prometheus.monitoring:9090"}}},
}
SINGLE_NODE: dict[str, Any] = {"bucket": {"folder": {"accessMode": "ReadWriteOnce", "singleNode": True}}}
PARENTS = [{"name": "shared", "namespace": "ingress", "sectionName": "https"}]


def ingress(controller: str, **more: Any) -> dict[str, Any]:
    tls = {"enabled": True, "secretName": "media-tls"}
    return {
        "traffic": {"controller": controller},
        "ingress": {"enabled": True, "host": "media.example.org", "tls": tls, **more},
    }


def http_route(controller: str, **more: Any) -> dict[str, Any]:
    return {
        "traffic": {"controller": controller},
        "httpRoute": {"enabled": True, "host": "media.example.org", "parentRefs": PARENTS, **more},
    }


SHA256 = "1f" * 32
KEYS: dict[str, Any] = {
    "access": {
        "firstKey": False,
        "keys": [
            {
                "name": "ci",
                "owner": "team-a",
                "sha256": SHA256,
                "scopes": ["jobs:write", "jobs:read"],
                "expires": "2027-01-31T00:00:00Z",
                "limits": {"requests_per_minute": 60, "max_quality": "1080"},
            },
            {"name": "boss", "owner": "team-b", "sha256": "2e" * 32, "scopes": ["admin"]},
        ],
        "owners": {"team.a@example.org": {"jobs_running": 4, "bytes_per_day": 10**12}},
    }
}
OPEN: dict[str, Any] = {"access": {"mode": "none"}}
OIDC: dict[str, Any] = {
    "access": {"mode": "oidc", "oidc": {"issuer": "https://id.example.org/realms/media", "audience": "vidferry"}}
}
OWN_SECRETS: dict[str, Any] = {
    "access": {"existingSecret": "api-keys", "ticketKeys": {"existingSecret": "ticket-secret"}},
    "tests": {"accessKey": {"existingSecret": "test-key"}},
}
USER_HEADER: dict[str, Any] = {
    "access": {"userHeader": "X-Auth-Request-User", "firstKey": False},
    "trustedProxies": ["10.0.0.7/32"],
}


SIDECAR: dict[str, Any] = {
    "name": "sidecar",
    "image": "sidecar:1",
    "restartPolicy": "Always",
    "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}, "limits": {"memory": "8Mi"}},
}


SETS: dict[str, dict[str, Any]] = {
    "default": {},
    "gcs": GCS,
    "gcs-key": GCS_KEY,
    "emulator": {"bucket": {"type": "gcs", "gcs": {"name": "videos", "endpoint": "http://storage:4443"}}},
    "s3": S3,
    "s3-in-cluster": S3_IN_CLUSTER,
    "single-node": SINGLE_NODE,
    "existing-claim": {"bucket": {"folder": {"existingClaim": "videos"}}},
    "external-redis": EXTERNAL_REDIS,
    "redis-tls": REDIS_TLS,
    "sentinel": SENTINEL,
    "sentinel-tls": SENTINEL_TLS,
    "hpa": HPA,
    "keda": KEDA,
    "keda-tls": merged(KEDA, REDIS_TLS),
    "keda-sentinel": merged(KEDA, SENTINEL),
    "keda-sentinel-tls": merged(KEDA, SENTINEL_TLS),
    "nginx": ingress("nginx", className="nginx"),
    "traefik": ingress("traefik"),
    "gke": merged(GCS, ingress("gke")),
    "prefix": ingress("nginx", path="/vidferry"),
    "route-traefik": http_route("traefik"),
    "route-gke": merged(GCS, http_route("gke")),
    "route-prefix": http_route("traefik", path="/vidferry"),
    "pod-monitor": {"metrics": {"podMonitor": {"enabled": True}}},
    "alerts": {"metrics": {"alerts": {"enabled": True}}},
    "service-monitor": {"metrics": {"serviceMonitor": {"enabled": True}}},
    "no-policies": {"networkPolicy": {"enabled": False}},
    "work-volume": {"worker": {"work": {"storageClass": "fast", "sizeLimit": "100Gi"}}},
    "openshift": {
        "podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None},
        "redis": {"bundled": {"runAsUser": None}},
    },
    "placed": {
        name: {
            "runtimeClassName": "gvisor",
            "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
            "revisionHistoryLimit": 0,
            "lifecycle": {"postStart": {"sleep": {"seconds": 1}}},
            "initContainers": [SIDECAR],
        }
        for name in ("api", "worker", "gateway")
    },
    "open": OPEN,
    "keys": KEYS,
    "oidc": OIDC,
    "own-secrets": OWN_SECRETS,
    "user-header": merged(ingress("nginx"), USER_HEADER),
    "trusted-proxies": merged(
        ingress("other"), {"trustedProxies": ["10.0.0.0/8"], "networkPolicy": {"enabled": False}}
    ),
    "everything": merged(
        GCS,
        ingress("gke"),
        KEDA,
        {"api": {"autoscaling": {"hpa": {"enabled": True}}}},
        {"metrics": {"podMonitor": {"enabled": True}}, "tests": {"origin": "https://example.org/clip.mp4"}},
        {
            "extraManifests": [
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more"}, "data": {"a": "b"}}
            ]
        },
        {"worker": {"egressAllow": ["10.1.0.0/16"], "egressPorts": [8081]}},
    ),
}
