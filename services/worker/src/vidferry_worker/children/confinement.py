"""How children are confined: the worker's settings, in the form in which the zygote is started with them.

Standard library only: the zygote loads this beside yt-dlp, the settings beside pydantic.
"""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum


class Sandbox(StrEnum):
    """The policy where the kernel lacks a part of the sandbox."""

    REQUIRED = "required"
    """the worker does not start"""
    PREFERRED = "preferred"
    """children run with the parts that there are"""
    OFF = "off"
    """children run without a sandbox"""


@dataclass(frozen=True, slots=True)
class Confinement:
    """The limits that the kernel enforces on every child of a worker."""

    sandbox: Sandbox = Sandbox.REQUIRED
    readable: tuple[str, ...] = ()
    """files and folders that children may read and execute, besides their own program's"""
    max_bytes: int = 20 * 1024**3
    """of one file"""
    cpu_seconds: int = 6 * 3600
    """of one process"""
    memory: int = 2 * 1024**3
    """bytes of data of one process"""

    def to_argument(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls, text: str) -> "Confinement":
        fields = json.loads(text)
        return cls(**{**fields, "sandbox": Sandbox(fields["sandbox"]), "readable": tuple(fields["readable"])})
