"""The rotation of the keys that sign tickets, as docs/procedures.md tells it."""

import secrets
from base64 import b64decode

from system.cluster import kube
from system.cluster.around import secret
from system.cluster.release import ready, settled
from system.cluster.settings import NAMESPACE, RELEASE

SECRET, KEY = f"{RELEASE}-tickets", "ticket-keys"
SERVICES = ("api", "gateway")


def rotate_ahead() -> str:
    """The new key: from now on it signs tickets, and those of the old one are still accepted."""
    old = b64decode(kube.get(NAMESPACE, "secret", SECRET)["data"][KEY]).decode().partition(",")[0]
    new = secrets.token_urlsafe(48)
    replace(old, new)
    replace(new, old)
    return new


def replace(*keys: str) -> None:
    """Returns when both services have these keys, and none has others."""
    data = secret(NAMESPACE, SECRET, {KEY: ",".join(keys).encode()})["data"]
    kube.patch(NAMESPACE, "secret", SECRET, {"data": data})
    for service in SERVICES:
        kube.kubectl("-n", NAMESPACE, "rollout", "restart", f"deployment/{RELEASE}-{service}")
    for service in SERVICES:
        ready(service)
        settled(service)
