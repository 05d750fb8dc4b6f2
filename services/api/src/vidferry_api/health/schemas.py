"""The response of the health checks."""

from pydantic import BaseModel, Field


class Health(BaseModel):
    """The state of the service."""

    status: str = Field(description="`ok`.", examples=["ok"])
