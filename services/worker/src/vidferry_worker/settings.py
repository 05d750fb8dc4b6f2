"""The worker's settings."""

import math
import os
import socket
import tempfile
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from vidferry_common.bucket import BucketSettings
from vidferry_common.log import LogSettings
from vidferry_common.metrics import AdminSettings
from vidferry_common.settings import listed, networks
from vidferry_common.store import Limits, RedisSettings
from vidferry_worker.children.confinement import Confinement, Sandbox
from vidferry_worker.network.proxy import Proxy


class WorkerSettings(RedisSettings, BucketSettings, LogSettings, AdminSettings):
    """The settings of a worker."""

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
    max_retry_after: float = Field(
        3600,
        ge=0,
        le=86400,
        description="The most seconds that a site may have a download wait by Retry-After before it is tried again; 0: "
        "that header is not heeded.",
    )
    stall_seconds: float = Field(
        30, gt=0, le=3600, description="Seconds without a byte after which a download has stalled."
    )
    min_rate: int = Field(
        1024,
        ge=0,
        description="The least bytes a second of a download, over VIDFERRY_MIN_RATE_SECONDS; a site that sends less "
        "has stalled. 0: as few as it likes.",
    )
    min_rate_seconds: float = Field(30, gt=0, description="Seconds over which the rate of a download is looked at.")
    site_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="The share of all workers' slots that downloads of one site may take, one at least; the rest is "
        "for others. 1: all.",
    )
    site_limit: int = Field(
        0, ge=0, description="Downloads of one site that run at once, over all workers; 0: as many as its share allows."
    )
    caller_share: float = Field(
        0.75,
        gt=0,
        le=1,
        description="The share of all workers' slots that what one caller asked for may take, one at least. A caller "
        "is a client's address, IPv6 by its /64. 1: all.",
    )
    fragments: int = Field(
        6, ge=1, le=16, description="Parts of one stream (HLS, DASH) that a download fetches at once."
    )
    site_fragments: int = Field(
        12, ge=1, description="Parts that all downloads of one site in one worker fetch at once; each has one at least."
    )
    upload_while_downloading: bool = Field(
        True,
        description="Begin to upload a file of 16 MiB or more while it is still downloaded, where nothing rewrites it. "
        "Not to a folder on the file system of the worker's own: it keeps the file itself.",
    )
    address_memory: float = Field(
        86400,
        ge=0,
        le=30 * 86400,
        description="Seconds for which the video that an address led to is remembered, so that asking for it again is "
        "answered from the bucket without asking the site. Only for sites that name their videos by ids of their own.",
    )
    retention_days: float = Field(
        0, ge=0, description="Days after which a stored video is removed, the picture with its last format; 0: never."
    )
    retention_bytes: int = Field(
        0,
        ge=0,
        description="Bytes above which the oldest stored videos are removed until the rest is below; 0: no limit.",
    )
    retention_interval: float = Field(
        3600, gt=0, description="Seconds from one look for what is to be removed to the next; one worker looks for all."
    )
    max_bytes: int = Field(20 * 1024**3, gt=0, description="The most bytes of one download.")
    max_duration: float = Field(12 * 3600, gt=0, description="The longest video, in seconds.")
    max_seconds: float = Field(6 * 3600, gt=0, description="The most seconds that one attempt of a download may take.")
    extract_seconds: float = Field(120, gt=0, description="The most seconds from a page's address to its formats.")
    extract_cpu_seconds: float = Field(
        30,
        gt=0,
        description="The most seconds of a processor that this may take, which a page made for it would use up.",
    )
    egress_allow: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (),
        description="Ranges (CIDR, separated by commas) that downloads may reach although they aren't public, "
        "on every port. Empty: only public addresses.",
    )
    egress_ports: Annotated[frozenset[int], NoDecode] = Field(
        frozenset(), description="Ports (separated by commas) that downloads may reach besides 80, 443, 8080 and 8443."
    )

    egress_deny: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (),
        description="Ranges (CIDR, separated by commas) that downloads may never reach, such as a cluster's pods and "
        "services where these have public addresses. They win over VIDFERRY_EGRESS_ALLOW.",
    )
    egress_proxy: str | None = Field(
        None,
        description="A proxy that stands before the outside: `http://host:port` (it must allow CONNECT to every port "
        "of downloads) or `socks5://host:port`. It is asked for the addresses that the worker has resolved and "
        "checked, never for names.",
    )
    egress_proxy_username: str = Field("", max_length=255, description="The user that the proxy asks for.")
    egress_proxy_password: SecretStr | None = Field(None, description="The user's password.")
    sandbox: Sandbox = Field(
        Sandbox.REQUIRED,
        description="Confine downloads by seccomp and Landlock: `required` does not start where the kernel can't, "
        "`preferred` warns and does without what is missing, `off` does not confine them.",
    )
    sandbox_read: Annotated[tuple[Path, ...], NoDecode] = Field(
        (),
        description="Paths (separated by commas) that downloads may read and execute besides the system's, Python's "
        "and the programs ffmpeg, ffprobe and deno: where an ffmpeg that was installed elsewhere has its libraries.",
    )
    child_memory: int = Field(
        2 * 1024**3,
        ge=256 * 1024**2,
        description="The most bytes of memory of a download, its programs and what they share included.",
    )
    max_disk: int = Field(
        0,
        ge=0,
        description="The most bytes that the files of all running downloads of a worker may take; 0: what its slots "
        "may need, 2 × VIDFERRY_WORKER_SLOTS × VIDFERRY_MAX_BYTES.",
    )

    @field_validator("egress_allow", "egress_deny", mode="before")
    @classmethod
    def _parse_networks(cls, value: object) -> object:
        return networks(value) if isinstance(value, str) else value

    @field_validator("egress_ports", mode="before")
    @classmethod
    def _parse_ports(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = listed(value)
        if not all(part.isdecimal() and 0 < int(part) < 65536 for part in parts):  # noqa: PLR2004 - a port has 16 bits
            msg = "must be ports from 1 to 65535, separated by commas"
            raise ValueError(msg)
        return frozenset(map(int, parts))

    @field_validator("sandbox_read", mode="before")
    @classmethod
    def _parse_paths(cls, value: object) -> object:
        return tuple(Path(part) for part in listed(value)) if isinstance(value, str) else value

    @field_validator("egress_proxy")
    @classmethod
    def _check_proxy(cls, value: str | None) -> str | None:
        if value:
            Proxy.parse(value)
        return value or None

    @model_validator(mode="after")
    def _check_that_records_outlast_attempts(self) -> Self:
        if self.record_seconds <= self.max_seconds:
            msg = "VIDFERRY_RECORD_DAYS must be longer than VIDFERRY_MAX_SECONDS"
            raise ValueError(msg)
        return self

    @property
    def limits(self) -> Limits:
        return Limits(self.worker_slots, self.site_share, self.site_limit, self.caller_share)

    @property
    def proxy(self) -> Proxy | None:
        """The operator's proxy, with its credentials."""
        password = self.egress_proxy_password.get_secret_value() if self.egress_proxy_password else ""
        return Proxy.parse(self.egress_proxy, self.egress_proxy_username, password) if self.egress_proxy else None

    @property
    def confinement(self) -> Confinement:
        return Confinement(
            self.sandbox, tuple(map(str, self.sandbox_read)), self.max_bytes, math.ceil(self.max_seconds),
            self.child_memory,
        )  # fmt: skip

    @property
    def max_total_disk(self) -> int:
        """The most bytes that the files of all running downloads may take."""
        return self.max_disk or 2 * self.worker_slots * self.max_bytes
