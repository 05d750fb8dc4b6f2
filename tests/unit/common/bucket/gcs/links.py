"""Links to objects in Cloud Storage, and where a process finds itself on GKE."""

import os
from http.client import HTTPResponse
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from support.gcs import Gcs
from support.sources import put
from vidferry_common.bucket.gcs import GcsBucket


def fetch(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    try:
        reply: HTTPResponse
        with urlopen(Request(url, headers=headers), timeout=30) as reply:
            return reply.status, dict(reply.getheaders()), reply.read()
    except HTTPError as error:
        with error:
            return error.code, {}, error.read()


async def link_to_film(cloud: GcsBucket, lifetime: float = 600, filename: str = "فيلم.mp4") -> str:
    stored = await put(cloud, b"0123456789", filename=filename)
    return (await cloud.sign_link(stored, lifetime)).url


def gke_environment(gcs: Gcs) -> dict[str, str]:
    """The environment of a process on GKE."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("GOOGLE_", "GCE_", "VIDFERRY_"))}
    return {**mine, **gcs.environment(workload_identity=True)}
