"""The settings of `make up`."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from vidferry_common.log import LogSettings


class LocalSettings(LogSettings):
    """The supervisor's settings. It passes its whole environment on to the services."""

    host: str = Field("localhost", description="The host name or IP address on which api and gateway listen.")
    port: int = Field(3001, ge=1, le=65535, description="The port on which api and gateway listen.")
    data: Path = Field(Path("data"), description="The folder that holds the embedded Redis' data and the bucket.")
    admin_port: int = Field(
        0,
        ge=0,
        le=65534,
        description="The port of localhost that serves the metrics of api and gateway; the next port serves the "
        "worker's. 0: no metrics.",
    )
    log_format: Literal["json", "text"] = Field(
        "text", description="As for all services; `make up` writes for a terminal."
    )
