"""The settings of `make up`."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from vidferry_common.log import LogSettings


class LocalSettings(LogSettings):
    """The supervisor's settings. It passes its whole environment on to the services."""

    host: str = Field("localhost", description="The name or address that api and gateway listen on.")
    port: int = Field(3001, ge=1, le=65535, description="Their port.")
    data: Path = Field(Path("data"), description="`make up`: the folder of the embedded Redis and of the bucket.")
    admin_port: int = Field(
        0,
        ge=0,
        le=65534,
        description="`make up` serves metrics only where this is set: those of api and gateway on this port of "
        "localhost, the worker's on the next.",
    )
    log_format: Literal["json", "text"] = Field("text", description="`make up` writes for a terminal.")
