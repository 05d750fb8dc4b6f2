"""Who may use Vidferry, and with which keys tickets are signed: settings that api and gateway share."""

from enum import StrEnum
from typing import Self

from pydantic import Field, SecretStr, model_validator

from vidferry_common.contract.tickets import TicketSigner
from vidferry_common.settings import Settings, split_list

MIN_KEY_LENGTH = 32
"""characters of a ticket key"""


class AccessMode(StrEnum):
    """Who may use the api."""

    NONE = "none"
    """whoever reaches it"""
    KEYS = "keys"
    """whoever has an API key"""
    OIDC = "oidc"
    """whoever has an API key or a token of the OpenID Connect issuer"""


class AccessSettings(Settings):
    """Who may use Vidferry, and the keys of tickets."""

    access: AccessMode = Field(
        AccessMode.NONE,
        description="Who may use the API. `none`: whoever reaches it. `keys`: whoever has an API key from "
        "VIDFERRY_ACCESS_KEYS_FILE. `oidc`: whoever has an API key, or a token of VIDFERRY_OIDC_ISSUER. Set the "
        "same for api and gateway.",
    )
    ticket_keys: SecretStr | None = Field(
        None,
        description="The secret that signs tickets (at least 32 characters), the same for api and gateway. Required "
        "unless VIDFERRY_ACCESS is `none`. To rotate it, list two, separated by a comma: tickets are made with the "
        "first and accepted by either.",
    )
    ticket_hours: float = Field(
        12,
        gt=0,
        le=24 * 30,
        description="Hours for which the tickets in a job's links are valid. Reading the job makes fresh ones.",
    )

    @model_validator(mode="after")
    def _require_ticket_keys(self) -> Self:
        keys = self._ticket_keys()
        if self.access is not AccessMode.NONE and not keys:
            raise ValueError("VIDFERRY_TICKET_KEYS is required where VIDFERRY_ACCESS is not `none`")
        if any(len(key) < MIN_KEY_LENGTH for key in keys):
            raise ValueError(f"each key in VIDFERRY_TICKET_KEYS must have at least {MIN_KEY_LENGTH} characters")
        return self

    def _ticket_keys(self) -> list[str]:
        return split_list(self.ticket_keys.get_secret_value()) if self.ticket_keys else []

    @property
    def tickets(self) -> TicketSigner | None:
        """Signs and checks tickets; None where nobody needs one."""
        if self.access is AccessMode.NONE:
            return None
        return TicketSigner([SecretStr(key) for key in self._ticket_keys()], int(self.ticket_hours * 3600))
