"""Whether a resource is what Kubernetes takes: by its own schemas, and by ones written here for kinds of others."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema
from referencing import Registry
from referencing.jsonschema import DRAFT202012

SCHEMAS = files("kubernetes_validate") / "kubernetes-json-schema"
VERSIONS = ("1.30.0", "1.37.0")
"""the oldest that Chart.yaml allows, and the newest"""
DEFINITIONS = "https://kubernetes.io/api/_definitions.json"
"""what they call themselves"""

TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
SECONDS: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": 2147483647}


def closed(required: str, **properties: Any) -> dict[str, Any]:
    """An object of these members alone; required are names separated by blanks."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def each(item: dict[str, Any], least: int = 1) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": least}


SELECTOR = closed(
    "",
    matchLabels={"type": "object", "additionalProperties": TEXT},
    matchExpressions=each(closed("key operator values", key=TEXT, operator={"enum": ["In"]}, values=each(TEXT))),
)
TARGET = closed("group kind name", group={"const": ""}, kind={"const": "Service"}, name=TEXT)
ENDPOINT = closed("port path", port=TEXT, path=TEXT, interval={"type": "string", "pattern": "^[0-9]+s$"})
RECORDING_RULE = closed("record expr labels", record=TEXT, expr=TEXT, labels={"type": "object"})
ALERTING_RULE = closed(
    "alert expr for labels annotations",
    **{"alert": TEXT, "expr": TEXT, "for": {"pattern": "^[0-9]+[smh]$"}, "labels": {"type": "object"}},
    annotations=closed("summary runbook_url", summary=TEXT, runbook_url=TEXT),
)
BACKEND = closed("name port", name=TEXT, port=SECONDS)
PATH_MATCH = closed("path", path=closed("type value", type={"const": "PathPrefix"}, value={"pattern": "^/"}))
SECRET_REF = closed(
    "parameter name key", parameter={"enum": ["password", "sentinelPassword", "ca"]}, name=TEXT, key=TEXT
)
REDIS_TRIGGER = closed(
    "address listName listLength databaseIndex",
    address={"pattern": "^[^:]+:[0-9]+$"},
    listName=TEXT,
    listLength={"pattern": "^[0-9]+$"},
    databaseIndex={"pattern": "^[0-9]+$"},
    enableTLS={"enum": ["true", "false"]},
    username=TEXT,
)
SENTINEL_TRIGGER = closed(
    "addresses sentinelMaster listName listLength databaseIndex",
    addresses={"pattern": "^[^:,]+:[0-9]+(,[^:,]+:[0-9]+)*$"},
    sentinelMaster=TEXT,
    sentinelUsername=TEXT,
    **{name: rule for name, rule in REDIS_TRIGGER["properties"].items() if name != "address"},
)
PROMETHEUS_TRIGGER = closed("serverAddress query threshold", serverAddress=TEXT, query=TEXT, threshold=TEXT)

TRIGGERS = {"redis": REDIS_TRIGGER, "redis-sentinel": SENTINEL_TRIGGER, "prometheus": PROMETHEUS_TRIGGER}

# Sources: each project's reference of its kinds. Only what the chart may write is in them.
OTHERS: dict[str, dict[str, Any]] = {
    "keda.sh/v1alpha1 ScaledObject": closed(
        "scaleTargetRef minReplicaCount maxReplicaCount triggers",
        scaleTargetRef=closed("name", name=TEXT),
        minReplicaCount=COUNT,
        maxReplicaCount=COUNT,
        pollingInterval=COUNT,
        cooldownPeriod=COUNT,
        fallback=closed("failureThreshold replicas", failureThreshold=COUNT, replicas=COUNT),
        advanced=closed(
            "horizontalPodAutoscalerConfig",
            horizontalPodAutoscalerConfig=closed("behavior", behavior={"type": "object"}),
        ),
        triggers=each(
            {
                "anyOf": [
                    closed(
                        "type metadata",
                        type={"const": kind},
                        metadata=metadata,
                        authenticationRef=closed("name", name=TEXT),
                    )
                    for kind, metadata in TRIGGERS.items()
                ]
            }
        ),
    ),
    "keda.sh/v1alpha1 TriggerAuthentication": closed("secretTargetRef", secretTargetRef=each(SECRET_REF)),
    "gateway.networking.k8s.io/v1 HTTPRoute": closed(
        "parentRefs hostnames rules",
        parentRefs=each(closed("name", name=TEXT, namespace=TEXT, sectionName=TEXT)),
        hostnames=each(TEXT),
        rules=each(
            closed(
                "matches backendRefs",
                matches=each(PATH_MATCH),
                backendRefs=each(BACKEND),
                timeouts=closed("request", request={"pattern": "^([0-9]{1,5}(h|m|s|ms)){1,4}$"}),
            )
        ),
    ),
    "cloud.google.com/v1 BackendConfig": closed(
        "timeoutSec",
        timeoutSec=SECONDS,
        connectionDraining=closed("drainingTimeoutSec", drainingTimeoutSec=COUNT),
        healthCheck=closed(
            "type requestPath port",
            type={"const": "HTTP"},
            requestPath=TEXT,
            port=SECONDS,
            checkIntervalSec=SECONDS,
            timeoutSec=SECONDS,
        ),
    ),
    "networking.gke.io/v1 GCPBackendPolicy": closed(
        "default targetRef",
        default=closed(
            "timeoutSec",
            timeoutSec=SECONDS,
            connectionDraining=closed("drainingTimeoutSec", drainingTimeoutSec=COUNT),
        ),
        targetRef=TARGET,
    ),
    "networking.gke.io/v1 HealthCheckPolicy": closed(
        "default targetRef",
        default=closed(
            "config",
            checkIntervalSec=SECONDS,
            timeoutSec=SECONDS,
            config=closed(
                "type httpHealthCheck",
                type={"const": "HTTP"},
                httpHealthCheck=closed("requestPath port", requestPath=TEXT, port=SECONDS),
            ),
        ),
        targetRef=TARGET,
    ),
    "monitoring.coreos.com/v1 PodMonitor": closed(
        "selector podMetricsEndpoints",
        selector=SELECTOR,
        podTargetLabels=each(TEXT),
        podMetricsEndpoints=each(ENDPOINT),
    ),
    "monitoring.coreos.com/v1 PrometheusRule": closed(
        "groups", groups=each(closed("name rules", name=TEXT, rules=each({"anyOf": [RECORDING_RULE, ALERTING_RULE]})))
    ),
    "monitoring.coreos.com/v1 ServiceMonitor": closed(
        "selector endpoints", selector=SELECTOR, podTargetLabels=each(TEXT), endpoints=each(ENDPOINT)
    ),
}


def check(resource: dict[str, Any], version: str) -> None:
    """AssertionError with the place where the resource is not what it should be."""
    complaint = _complaint(json.dumps(resource, sort_keys=True), version)
    assert not complaint, f"{resource['kind']}/{resource['metadata']['name']} of Kubernetes {version}: {complaint}"


@cache
def _complaint(text: str, version: str) -> str:
    """Most resources are the same in many renderings: each is checked once."""
    resource = json.loads(text)
    validator = _validator(resource["apiVersion"], resource["kind"], version)
    error = jsonschema.exceptions.best_match(validator.iter_errors(resource))
    return f"{error.json_path}: {error.message[:300]}" if error else ""


@cache
def _validator(api_version: str, kind: str, version: str) -> jsonschema.Draft202012Validator:
    own = OTHERS.get(f"{api_version} {kind}")
    if own:
        metadata = {"$ref": f"{DEFINITIONS}#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
        schema = closed("apiVersion kind metadata spec", apiVersion={}, kind={}, metadata=metadata, spec=own)
    else:
        group, _, rest = api_version.rpartition("/")
        name = "-".join(part for part in (kind.lower(), group.split(".")[0], rest) if part)
        schema = _read(version, f"{name}.json")
    return jsonschema.Draft202012Validator(schema, registry=_registry(version))


@cache
def _registry(version: str) -> Registry[Any]:
    return (DRAFT202012.create_resource(_read(version, "_definitions.json")) @ Registry()).crawl()


def _read(version: str, name: str) -> Any:
    return json.loads((SCHEMAS / f"v{version}-local-strict" / name).read_text())
