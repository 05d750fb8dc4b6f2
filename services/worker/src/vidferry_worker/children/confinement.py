"""How children are confined: what the worker decides, as the zygote is told it.

Standard library only: the zygote reads it beside yt-dlp, the settings beside pydantic.
"""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum


class Sandbox(StrEnum):
    """The policy for a kernel that can't hold a child."""

    REQUIRED = "required"
    """nothing is downloaded"""
    PREFERRED = "preferred"
    """children run with what there is"""
    OFF = "off"
    """children run with none of it"""


@dataclass(frozen=True, slots=True)
class Confinement:
    """The bounds of all children of a worker."""

    sandbox: Sandbox = Sandbox.REQUIRED
    readable: tuple[str, ...] = ()
    """files and folders that children may read and execute besides what they are made of"""
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
