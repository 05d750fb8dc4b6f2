"""The ways into Vidferry besides the Ingress that the other tests use. Each has a host of its own, so that whatever
answers for it has come that way."""

from dataclasses import dataclass
from typing import Any

from system.cluster.settings import AROUND, CONTROLLER, GATEWAY, GATEWAY_CLASS, HOST, NGINX_CLASS

PODS = {"nginx": "ingress-nginx", "traefik": "traefik"}
PEER = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app.kubernetes.io/name": PODS[CONTROLLER]}}}
OWN_GATEWAY = "vidferry-test"


@dataclass(frozen=True)
class Way:
    host: str
    values: dict[str, Any]
    """all that the ways differ in"""
    path: str = ""
    tls: bool = True


def by_ingress(host: str, path: str) -> Way:
    """Of the class that follows ingress-nginx's annotations, whose pods need not be ingress-nginx's."""
    ingress = {
        "enabled": True,
        "className": NGINX_CLASS,
        "host": host,
        "path": path or "/",
        "tls": {"enabled": True, "secretName": "certificate"},
    }
    values = {
        "traffic": {"controller": "nginx"},
        "networkPolicy": {"controllers": [PEER]},
        "ingress": ingress,
        "httpRoute": {"enabled": False},
    }
    return Way(host, values, path)


def by_route(host: str, path: str, parent: dict[str, str], *, tls: bool) -> Way:
    values = {
        "traffic": {"controller": CONTROLLER},
        "networkPolicy": {"controllers": []},
        "ingress": {"enabled": False},
        "httpRoute": {"enabled": True, "host": host, "path": path or "/", "parentRefs": [parent], "tls": tls},
    }
    return Way(host, values, path, tls)


def ways() -> dict[str, Way]:
    namespace, _, name = GATEWAY.partition("/")
    shared, own = {"namespace": namespace, "name": name}, {"namespace": AROUND, "name": OWN_GATEWAY}
    return {
        "Ingress of class nginx": by_ingress(f"nginx.{HOST}", ""),
        "Ingress of class nginx, below a path": by_ingress(f"nginx-path.{HOST}", "/films"),
        "HTTPRoute, https": by_route(f"route.{HOST}", "", own, tls=True),
        "HTTPRoute of a Gateway that others share, http, below a path": by_route(
            f"route-path.{HOST}", "/films", shared, tls=False
        ),
    }


def gateway() -> dict[str, Any]:
    """A Gateway with the tests' certificate."""
    listener = {
        "name": "https",
        "port": 443,
        "protocol": "HTTPS",
        "tls": {"certificateRefs": [{"name": "certificate"}]},
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": OWN_GATEWAY, "namespace": AROUND},
        "spec": {"gatewayClassName": GATEWAY_CLASS, "listeners": [listener]},
    }
