"""The api's settings of access: the keys file, the OpenID Connect issuer, and the header of a proxy."""

import re
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from vidferry_common.access import AccessMode, AccessSettings
from vidferry_common.contract.scopes import USUAL_SCOPES, Scope, parse_scopes
from vidferry_common.settings import Settings, parse_http_url, split_list
from vidferry_common.webhooks.settings import WebhookSettings

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
"""Those with a public key. With a shared secret (HS256), whoever checks tokens could make them."""
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
_RESERVED = frozenset({"authorization", "host", "cookie", "content-type", "content-length", "origin"})

Scopes = Annotated[tuple[Scope, ...], NoDecode]


class OidcSettings(Settings):
    """The OpenID Connect issuer whose tokens are accepted."""

    oidc_issuer: str = Field(
        "",
        description="The issuer (https URL) whose tokens are accepted, exactly as in the tokens' `iss`. Its keys are "
        "found by OpenID Connect Discovery. Needs VIDFERRY_ACCESS `oidc`.",
    )
    oidc_audience: str = Field(
        "",
        description="The audience (`aud`) of tokens for Vidferry. Required with VIDFERRY_OIDC_ISSUER: without it, a "
        "token for any other application of the issuer would be accepted.",
    )
    oidc_owner_claim: str = Field(
        "sub",
        min_length=1,
        description="The claim that names the owner. Choose one that users can't change. Tokens are refused if it is "
        "not 1 to 64 letters, digits, dots, hyphens, underscores or @; or if it is `email` and `email_verified` is "
        "not true.",
    )
    oidc_scopes_claim: str = Field(
        "scope",
        min_length=1,
        description="The claim that names the scopes: text separated by spaces, or a list. Words that are not "
        "scopes of Vidferry are ignored.",
    )
    oidc_default_scopes: Scopes = Field(
        (),
        description="The scopes, separated by commas, of a token that names none of Vidferry's. By default such a "
        "token allows nothing.",
    )
    oidc_algorithms: Annotated[tuple[str, ...], NoDecode] = Field(
        ("RS256", "ES256"),
        description=f"The signature algorithms that tokens may have, separated by commas, of {', '.join(ALGORITHMS)}.",
    )

    @field_validator("oidc_issuer")
    @classmethod
    def _check_issuer(cls, value: str) -> str:
        if value and (parse_http_url(value).query or parse_http_url(value).fragment):
            raise ValueError("must not contain a query or a fragment")
        return value

    @field_validator("oidc_algorithms", mode="before")
    @classmethod
    def _parse_algorithms(cls, value: object) -> object:
        names = tuple(split_list(value)) if isinstance(value, str) else value
        if not names or not isinstance(names, tuple) or not set(names) <= set(ALGORITHMS):
            raise ValueError(f"must name algorithms of {', '.join(ALGORITHMS)}")
        return names

    @field_validator("oidc_default_scopes", mode="before")
    @classmethod
    def _parse_scopes(cls, value: object) -> object:
        return _parse_scope_list(value)


class ApiAccessSettings(AccessSettings, OidcSettings, WebhookSettings):
    """How the api finds out who a request comes from."""

    access_user_header: str = Field(
        "",
        description="The header in which a trusted proxy (VIDFERRY_TRUSTED_PROXIES) names the user who signed in "
        "there, such as `X-Auth-Request-User` of oauth2-proxy. The proxy must remove this header from the requests "
        "of its clients. Ignored from everyone else. By default no header is.",
    )
    access_user_scopes: Scopes = Field(
        USUAL_SCOPES,
        description="The scopes, separated by commas, of users whom VIDFERRY_ACCESS_USER_HEADER names.",
    )

    @field_validator("access_user_header")
    @classmethod
    def _check_header(cls, value: str) -> str:
        if value and (not _HEADER.fullmatch(value) or value.lower() in _RESERVED):
            raise ValueError("must be the name of a header that carries nothing else, such as X-Auth-Request-User")
        return value

    @field_validator("access_user_scopes", mode="before")
    @classmethod
    def _parse_user_scopes(cls, value: object) -> object:
        return _parse_scope_list(value)

    @model_validator(mode="after")
    def _check_mode(self) -> Self:
        if self.access is AccessMode.KEYS and not (self.access_keys_file or self.access_user_header):
            raise ValueError("VIDFERRY_ACCESS_KEYS_FILE is required where VIDFERRY_ACCESS is `keys`")
        if self.access is AccessMode.OIDC and not self.oidc_issuer:
            raise ValueError("VIDFERRY_OIDC_ISSUER is required where VIDFERRY_ACCESS is `oidc`")
        if self.oidc_issuer and self.access is not AccessMode.OIDC:
            raise ValueError("VIDFERRY_OIDC_ISSUER needs VIDFERRY_ACCESS `oidc`")
        if self.oidc_issuer and not self.oidc_audience:
            raise ValueError("VIDFERRY_OIDC_AUDIENCE is required where VIDFERRY_OIDC_ISSUER is set")
        if self.access is AccessMode.NONE and (self.access_keys_file or self.access_user_header):
            raise ValueError(
                "VIDFERRY_ACCESS_KEYS_FILE and VIDFERRY_ACCESS_USER_HEADER need VIDFERRY_ACCESS `keys` or `oidc`; "
                "with `none`, whoever reaches the API may use it"
            )
        return self


def _parse_scope_list(value: Any) -> object:
    return parse_scopes(split_list(value)) if isinstance(value, str) else value
