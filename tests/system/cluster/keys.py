"""The API keys of the tests' release."""

import hashlib
import os
import secrets
import subprocess
from typing import Any

from support import kubernetes
from system.cluster import kube
from system.cluster.settings import NAMESPACE, RELEASE

SCOPES = ("jobs:write", "jobs:read", "objects:read", "objects:delete")


def new_key() -> str:
    """As `python -m vidferry_api.access new` makes them."""
    return "vf_" + secrets.token_urlsafe(32)


def entry(name: str, key: str, owner: str) -> dict[str, Any]:
    """What declares a key in the chart's `access.keys`."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return {"name": name, "owner": owner, "sha256": digest, "scopes": list(SCOPES)}


CLIENT_KEY = new_key()
"""of the clients of all tests, so that they have it before there is a release"""
CLIENTS = entry("tests", CLIENT_KEY, "tests")


def first_key() -> str:
    """The key that the chart has made, read by the command that helm's notes tell an operator."""
    notes = kube.run("helm", "get", "notes", RELEASE, "--namespace", NAMESPACE)
    (command,) = [line.strip() for line in notes.splitlines() if line.strip().startswith("key=$(")]
    kubectl = kubernetes.program("kubectl")
    env = {"PATH": f"{kubectl.parent}{os.pathsep}{os.environ['PATH']}", "KUBECONFIG": os.environ["KUBECONFIG"]}
    told = subprocess.run(
        ["sh", "-c", f'{command} && printf %s "$key"'], env=env, capture_output=True, text=True, check=True
    )
    return told.stdout
