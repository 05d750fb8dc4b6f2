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
from vidferry_common.contract.bundles import VERSION_PATTERN, is_version
from vidferry_common.log import LogSettings
from vidferry_common.metrics import AdminSettings
from vidferry_common.settings import parse_networks, split_list
from vidferry_common.store import Limits, PauseRule, RedisSettings
from vidferry_common.store.object_index import MAX_OBJECTS
from vidferry_common.tracing import TracingSettings
from vidferry_common.webhooks.settings import WebhookSettings
from vidferry_worker.children.confinement import Confinement, Sandbox
from vidferry_worker.network.proxy import Proxy
from vidferry_worker.sites.rules import SiteRule


class WorkerSettings(RedisSettings, BucketSettings, LogSettings, TracingSettings, AdminSettings, WebhookSettings):
    """The settings of a worker."""

    worker_slots: int = Field(4, ge=1, le=64, description="The most downloads that one worker runs at the same time.")
    look_slots: int = Field(
        2,
        ge=1,
        le=64,
        description="The most probes that one worker runs at the same time, beside its downloads. As many playlists "
        "can be expanded beside them.",
    )
    max_entries: int = Field(
        1000,
        ge=1,
        le=5000,
        description="The most videos that a batch takes from one playlist. Further ones are left out.",
    )
    worker_folder: Path = Field(
        Path(tempfile.gettempdir()) / "vidferry-worker",
        description="The folder for the files of running downloads. Each download has its own subfolder.",
    )
    worker_name: str = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}",
        description="The worker's name in logs and records. It must differ between workers.",
    )
    lease: float = Field(
        30,
        ge=1,
        le=600,
        description="Seconds after which a download may be given to another worker, if its worker has not renewed its "
        "lease.",
    )
    grace: float = Field(
        30,
        ge=0,
        le=86400,
        description="Seconds that running downloads get to finish after SIGTERM. Unfinished downloads go back on the "
        "queue.",
    )
    retries: int = Field(
        3,
        ge=0,
        le=20,
        description="How often a failed download is retried. Only failures that a retry may solve are retried.",
    )
    retry_delay: float = Field(
        5, gt=0, le=3600, description="Seconds before the first retry. Each further delay is three times as long."
    )
    max_retry_after: float = Field(
        3600,
        ge=0,
        le=86400,
        description="The longest time, in seconds, for which a site may delay a retry with Retry-After. 0: ignore "
        "that header.",
    )
    site_pause: float = Field(
        60,
        gt=0,
        le=3600,
        description="Seconds for which nothing starts at a site that has answered `rate_limited`, `session_limited` or "
        "`bot_check`, if it names no time with Retry-After. Each further pause is twice as long, up to an hour, until "
        "the site answers again.",
    )
    stall_seconds: float = Field(
        30,
        gt=0,
        le=3600,
        description="Seconds without any received byte after which a download counts as stalled. An extraction does so "
        "after half of VIDFERRY_EXTRACT_SECONDS if that is less. A silent connection is replaced before that, and a "
        "file is resumed: first after 20 seconds, or two thirds of this time if that is less; each further connection "
        "may be silent for longer than the one before.",
    )
    min_rate: int = Field(
        1024,
        ge=0,
        description="The least bytes per second, averaged over VIDFERRY_MIN_RATE_SECONDS. A slower download counts as "
        "stalled. 0: no minimum.",
    )
    min_rate_seconds: float = Field(
        30,
        gt=0,
        description="Seconds over which the rate of a download is averaged. VIDFERRY_STALL_SECONDS counts if it "
        "is longer.",
    )
    site_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="The largest share of all workers' slots that downloads from one site may use (at least one "
        "slot). 1: all slots.",
    )
    site_limit: int = Field(
        0,
        ge=0,
        description="The most downloads from one site that run at the same time, over all workers, in addition to "
        "VIDFERRY_SITE_SHARE. 0: no further limit.",
    )
    caller_share: float = Field(
        0.75,
        gt=0,
        le=1,
        description="The largest share of all workers' slots that the downloads of one caller may use (at least one "
        "slot). A caller is an owner; without owners it is a client's IPv4 address, or the /64 of its IPv6 address. "
        "1: all slots.",
    )
    fragments: int = Field(
        6,
        ge=1,
        le=16,
        description="The most fragments of one stream (HLS, DASH) that a download fetches at the same time.",
    )
    site_fragments: int = Field(
        12,
        ge=1,
        description="The most fragments that one worker fetches from one site at the same time, over all downloads. "
        "Each download may always fetch one.",
    )
    upload_while_downloading: bool = Field(
        True,
        description="Start to upload a file of 16 MiB or more while it is still being downloaded, if no later step "
        "rewrites the file. Has no effect for a bucket in a folder on the same file system as "
        "VIDFERRY_WORKER_FOLDER, where the finished file is not copied at all.",
    )
    address_memory: float = Field(
        86400,
        ge=0,
        le=30 * 86400,
        description="Seconds for which Vidferry remembers which video a URL led to. A repeated request for that URL "
        "is then answered from the bucket without asking the site. Applies only to sites that identify their videos "
        "by their own ids. 0: always ask the site.",
    )
    retention_days: float = Field(
        0,
        ge=0,
        description="Days after which a stored video is deleted. Its thumbnail is deleted with its last format. 0: "
        "never.",
    )
    retention_bytes: int = Field(
        0,
        ge=0,
        description="The most bytes that stored videos may use. When they use more, the oldest are deleted. 0: no "
        "limit.",
    )
    retention_interval: float = Field(
        3600, gt=0, description="Seconds between two retention sweeps. One worker sweeps for all."
    )
    indexed_objects: int = Field(
        MAX_OBJECTS,
        ge=0,
        le=10_000_000,
        description="The most stored videos that the index of `GET /api/objects` holds in Redis, about 0.6 KiB each, "
        "at most 3 KiB. If the bucket has more, the list has the newest. Set the same for all workers.",
    )
    reindex_interval: float = Field(
        86400,
        ge=0,
        description="Seconds after which the index of stored videos is compared with the bucket, so that it also knows "
        "what others have changed there. One worker does it for all, and whenever Redis has lost the index. 0: only "
        "then.",
    )
    max_bytes: int = Field(20 * 1024**3, gt=0, description="The most bytes that one download may fetch.")
    max_duration: float = Field(12 * 3600, gt=0, description="The longest video that may be downloaded, in seconds.")
    max_seconds: float = Field(6 * 3600, gt=0, description="The most seconds that one attempt of a download may take.")
    extract_seconds: float = Field(
        120, gt=0, description="The most seconds that the extraction (finding a page's video and its formats) may take."
    )
    extract_cpu_seconds: float = Field(
        30,
        gt=0,
        description="The most seconds of CPU time that the extraction may use. Stops pages that are made to use up a "
        "processor.",
    )
    egress_allow: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (),
        description="Ranges (CIDR, separated by commas) that are not public but that downloads may reach, on every "
        "port. By default downloads reach public IP addresses only.",
    )
    egress_ports: Annotated[frozenset[int], NoDecode] = Field(
        frozenset(),
        description="Ports (separated by commas) that downloads may reach in addition to 80, 443, 8080 and 8443.",
    )

    egress_deny: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (),
        description="Ranges (CIDR, separated by commas) that downloads may never reach, such as pods and services of "
        "a cluster that have public IP addresses. Takes precedence over VIDFERRY_EGRESS_ALLOW.",
    )
    egress_proxy: str | None = Field(
        None,
        description="The proxy through which downloads reach the internet: `http://host:port` (which must allow "
        "CONNECT to every port that downloads use) or `socks5://host:port`. The worker sends it IP addresses that "
        "it has resolved and checked, never host names.",
    )
    egress_proxy_username: str = Field("", max_length=255, description="The user name for VIDFERRY_EGRESS_PROXY.")
    egress_proxy_password: SecretStr | None = Field(None, description="The password for VIDFERRY_EGRESS_PROXY.")
    cookies_dir: Path | None = Field(
        None,
        description="The folder with the cookies that downloads send: `example.com.txt` for all downloads of a site, "
        "`alice_example.com.txt` for those that ask for the credential `alice`, in Netscape's format (docs/sites.md). "
        "A changed file takes effect within seconds.",
    )
    sites_file: Path | None = Field(
        None,
        description="The TOML file with what is set for single sites: fragments, pauses between requests, proxy and "
        "user agent (docs/sites.md). A changed file takes effect within seconds.",
    )
    ytdlp: str = Field(
        "image",
        pattern=rf"(?i)^(image|stable|nightly|{VERSION_PATTERN})$",
        description="Which yt-dlp downloads run (docs/sites.md#a-newer-yt-dlp). `image`: the one that is installed "
        "with the worker. `stable`, `nightly`: the newest release, or the newest build, of pip's package index, once "
        "it has passed a test; all workers switch to it while they run. A version, such as `2026.10.26`: that one. "
        "Set the same for all workers.",
    )
    ytdlp_interval: float = Field(
        6 * 3600,
        ge=60,
        le=30 * 86400,
        description="Seconds between two looks for a newer yt-dlp, a tenth more or less. One worker looks for all.",
    )
    ytdlp_hold: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Versions of yt-dlp (separated by commas) that are never taken."
    )
    webhook_slots: int = Field(
        64,
        ge=1,
        le=512,
        description="The most webhooks that one worker delivers at the same time. One receiver gets at most 8 at a "
        "time from all workers together, and 2 until it accepts one and while it accepts nothing. Receivers that are "
        "slow or accept nothing get at most half of these slots, and the receivers of one owner no more than they "
        "leave free: half, where no other owner has webhooks.",
    )
    sandbox: Sandbox = Field(
        Sandbox.REQUIRED,
        description="Confinement of downloads by seccomp and Landlock. `required`: the worker does not start if the "
        "kernel lacks one of them. `preferred`: the worker logs a warning and uses what the kernel has. `off`: no "
        "confinement.",
    )
    sandbox_read: Annotated[tuple[Path, ...], NoDecode] = Field(
        (),
        description="Further paths (separated by commas) that downloads may read and execute, such as the libraries "
        "of an ffmpeg that is not installed by the system. The paths of the system, Python, ffmpeg, ffprobe and "
        "deno are always allowed.",
    )
    child_memory: int = Field(
        2 * 1024**3,
        ge=256 * 1024**2,
        description="The most bytes of memory that one download may use, including its programs and shared memory.",
    )
    max_disk: int = Field(
        0,
        ge=0,
        description="The most bytes that the files of all running downloads of one worker may use. 0: 2 × "
        "VIDFERRY_WORKER_SLOTS × VIDFERRY_MAX_BYTES.",
    )

    @field_validator("egress_allow", "egress_deny", mode="before")
    @classmethod
    def _parse_networks(cls, value: object) -> object:
        return parse_networks(value) if isinstance(value, str) else value

    @field_validator("egress_ports", mode="before")
    @classmethod
    def _parse_ports(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = split_list(value)
        if not all(part.isdecimal() and 0 < int(part) < 65536 for part in parts):  # noqa: PLR2004 - a port has 16 bits
            msg = "must be ports from 1 to 65535, separated by commas"
            raise ValueError(msg)
        return frozenset(map(int, parts))

    @field_validator("sandbox_read", mode="before")
    @classmethod
    def _parse_paths(cls, value: object) -> object:
        return tuple(Path(part) for part in split_list(value)) if isinstance(value, str) else value

    @field_validator("ytdlp_hold", mode="before")
    @classmethod
    def _parse_versions(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        versions = split_list(value)
        if not all(is_version(version) for version in versions):
            msg = "must be versions of yt-dlp, such as 2026.10.26, separated by commas"
            raise ValueError(msg)
        return tuple(versions)

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
    def pause_rule(self) -> PauseRule:
        return PauseRule(self.site_pause, self.max_retry_after)

    @property
    def proxy(self) -> Proxy | None:
        """The operator's proxy, with its credentials."""
        password = self.egress_proxy_password.get_secret_value() if self.egress_proxy_password else ""
        return Proxy.parse(self.egress_proxy, self.egress_proxy_username, password) if self.egress_proxy else None

    @property
    def site_rule(self) -> SiteRule:
        """How sites are treated of which the sites file says nothing."""
        return SiteRule(fragments=self.fragments, proxy=self.proxy)

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
