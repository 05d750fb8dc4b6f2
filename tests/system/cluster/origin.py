"""A corner of the origin in the cluster, which no other test uses; told and asked through the API server."""

import json
import uuid
from typing import Any
from urllib.parse import urlencode

from system.cluster import kube
from system.cluster.around import ORIGIN
from system.cluster.settings import AROUND

HELD_SECONDS = 20
"""for one question; the API server gives up after a minute"""


class Corner:
    """tests/support/origin/routes.py says what lies under which path."""

    def __init__(self, root: str = ORIGIN) -> None:
        """root: another name, or the address, of the origin: another site."""
        self._path = f"/u/{uuid.uuid4().hex}"
        self._base = root + self._path

    def url(self, path: str) -> str:
        return self._base + path

    def open(self, gate: str) -> None:
        self._tell("open", gate=gate)

    def wait_held(self, gate: str, clients: int) -> None:
        """Returns when so many clients wait at the gate."""

        def missing() -> list[str]:
            try:
                self._tell("held", gate=gate, clients=clients, timeout=HELD_SECONDS)
            except kube.CommandFailed as error:
                return [str(error)]
            return []

        kube.until_nothing(missing)

    def requests(self) -> list[dict[str, Any]]:
        """The requests so far, as site.Exchange describes them."""
        return list(json.loads(self._tell("requests")))

    def _tell(self, command: str, **query: object) -> str:
        path = f"{self._path}/control/{command}?{urlencode(query)}"
        return kube.kubectl("get", "--raw", f"/api/v1/namespaces/{AROUND}/pods/origin:8000/proxy{path}")
