"""What a developer says of the cluster, by the environment; tests/README.md lists it."""

import os
import tomllib

from support.tree import ROOT

CHART = ROOT / "deploy" / "helm" / "vidferry"

IMAGES = os.environ.get("VIDFERRY_TEST_IMAGES", "")
"""registry and folder that the images were pushed to; empty: they were loaded into the cluster"""
INGRESS = os.environ.get("VIDFERRY_TEST_INGRESS", "127.0.0.1:443")
"""where the ingress controller serves https"""
INGRESS_HTTP = os.environ.get("VIDFERRY_TEST_INGRESS_HTTP", "127.0.0.1:80")
"""where it serves http"""
INGRESS_SERVICE = os.environ.get("VIDFERRY_TEST_INGRESS_SERVICE", "traefik.ingress.svc.cluster.local:443")
"""the ingress controller's Service, by which `helm test` reaches it from within the cluster"""
CLASS = os.environ.get("VIDFERRY_TEST_INGRESS_CLASS", "")
"""its IngressClass; empty: the cluster's default"""
CONTROLLER = os.environ.get("VIDFERRY_TEST_CONTROLLER", "traefik")
"""its kind, as the chart's traffic.controller names it"""
NGINX_CLASS = os.environ.get("VIDFERRY_TEST_NGINX_CLASS", "nginx")
"""an IngressClass that follows ingress-nginx's annotations, served at the same addresses"""
GATEWAY = os.environ.get("VIDFERRY_TEST_GATEWAY", "ingress/shared")
"""namespace and name of a Gateway that takes routes of all namespaces, and serves http"""
GATEWAY_CLASS = os.environ.get("VIDFERRY_TEST_GATEWAY_CLASS", "traefik")
"""of the Gateway that the tests make, which serves https"""
HOST = os.environ.get("VIDFERRY_TEST_HOST", "vidferry.test")
"""of the Ingress"""
S3_HOST = f"s3.{HOST}"
"""of the Ingress of a store in the cluster"""
NAMESPACE = os.environ.get("VIDFERRY_TEST_NAMESPACE", "vidferry-test")
"""Vidferry's own"""
AROUND = f"{NAMESPACE}-around"
"""what stands around it"""
RELEASE = "vidferry"


def image(service: str) -> str:
    """The repository of an image, as the chart is told."""
    return f"{IMAGES.rstrip('/')}/vidferry-{service}" if IMAGES else f"vidferry-{service}"


def tag(service: str) -> str:
    if service == "test":
        return "test"
    member = "ws-gateway" if service == "gateway" else service
    project = tomllib.loads((ROOT / "services" / member / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def address(host_and_port: str) -> tuple[str, int]:
    host, _, port = host_and_port.rpartition(":")
    return host, int(port)
