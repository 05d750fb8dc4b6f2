"""What clients are told about access."""

from pydantic import BaseModel, Field

from vidferry_common.access import AccessMode


class Access(BaseModel):
    """Who may use this api."""

    mode: AccessMode = Field(
        description="`none`: whoever reaches the api. `keys`: whoever has an API key. `oidc`: whoever has an API key "
        "or a token of the issuer."
    )
    issuer: str | None = Field(description="The OpenID Connect issuer, if the mode is `oidc`.")
