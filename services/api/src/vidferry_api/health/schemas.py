"""What health checks are answered, as the OpenAPI document tells it."""

from pydantic import BaseModel, Field


class Health(BaseModel):
    """Whether the service can be used."""

    status: str = Field(examples=["ok"])
