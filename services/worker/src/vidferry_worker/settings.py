"""The worker's settings."""

import os
import socket
import tempfile
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from vidferry_common.bucket import BucketSettings
from vidferry_common.log import LogSettings
from vidferry_common.metrics import AdminSettings
from vidferry_common.store import RedisSettings

DEFAULT_PORTS = frozenset({80, 443, 8080, 8443})


class WorkerSettings(RedisSettings, BucketSettings, LogSettings, AdminSettings):
    """All that a worker is told."""

    worker_slots: int = Field(4, ge=1, le=64, description="Downloads that one worker runs at once.")
    worker_folder: Path = Field(
        Path(tempfile.gettempdir()) / "vidferry-worker",
        description="Where a worker keeps the files of running downloads, one folder a download.",
    )
    worker_name: str = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}", description="Its name in logs and records."
    )
    lease: float = Field(
        30, ge=1, le=600, description="Seconds after which a silent worker's download is another's to continue."
    )
    grace: float = Field(30, ge=0, le=86400, description="Seconds that running downloads are given at SIGTERM.")
    retries: int = Field(
        3, ge=0, le=20, description="Times that a failed download is tried again, where that may help."
    )
    retry_delay: float = Field(5, gt=0, le=3600, description="Seconds before the first new try; it trebles with each.")
    stall_seconds: float = Field(
        30, gt=0, le=3600, description="Seconds without a byte after which a download that runs has stalled."
    )
    site_limit: int = Field(
        0, ge=0, description="Downloads of one site that run at once, over all workers; 0: as many as there are slots."
    )
    fragments: int = Field(
        6, ge=1, le=16, description="Parts of one stream (HLS, DASH) that a download fetches at once."
    )
    site_fragments: int = Field(
        12, ge=1, description="Parts that all downloads of one site in one worker fetch at once; each has one at least."
    )
    address_memory: float = Field(
        86400,
        ge=0,
        le=30 * 86400,
        description="Seconds for which the video that an address led to is remembered, so that asking for it again is "
        "answered from the bucket without asking the site. Only for sites that name their videos by ids of their own.",
    )
    max_bytes: int = Field(20 * 1024**3, gt=0, description="The most bytes of one download.")
    max_duration: float = Field(12 * 3600, gt=0, description="The longest video, in seconds.")
    max_seconds: float = Field(6 * 3600, gt=0, description="The most seconds that one attempt of a download may take.")
    extract_seconds: float = Field(120, gt=0, description="The most seconds from a page's address to its formats.")
    egress_allow: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (),
        description="Ranges (CIDR, separated by commas) that downloads may reach although they aren't public, "
        "on every port. Empty: only public addresses.",
    )
    egress_ports: Annotated[frozenset[int], NoDecode] = Field(
        frozenset(), description="Ports (separated by commas) that downloads may reach besides 80, 443, 8080 and 8443."
    )

    @field_validator("egress_allow", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        return tuple(ip_network(part) for part in _parts(value)) if isinstance(value, str) else value

    @field_validator("egress_ports", mode="before")
    @classmethod
    def _ports(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        ports = frozenset(int(part) for part in _parts(value))
        if any(not 0 < port < 65536 for port in ports):  # noqa: PLR2004 - a port has 16 bits
            msg = "ports are between 1 and 65535"
            raise ValueError(msg)
        return ports


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
