"""The response body of tickets."""

from pydantic import BaseModel, Field

from vidferry_common.contract.field_types import DateTime, Uri


class OwnerTicket(BaseModel):
    """A ticket for watching all jobs of the caller's owner on one WebSocket."""

    ticket: str | None = Field(
        description="The ticket, which is in `ws_url` already. Null where access is open: nothing asks for one then."
    )
    expires_at: DateTime | None = Field(
        description="When the ticket expires, RFC 3339. Sockets that are open then stay open."
    )
    ws_url: Uri = Field(
        description="The absolute URL of the WebSocket for many jobs, with the ticket.",
        examples=["wss://media.example.org/ws/downloads?ticket=…"],
    )
