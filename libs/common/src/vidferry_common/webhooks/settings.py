"""The settings of webhooks that api and workers share."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from vidferry_common.contract.webhooks import MAX_SECRETS, check_secret
from vidferry_common.settings import Settings, split_list


class WebhookSettings(Settings):
    """With what webhooks are signed, and where they may go."""

    access_keys_file: Path | None = Field(
        None,
        description="The TOML file that declares the API keys, and the webhooks of owners with their secrets "
        "(docs/operations.md#access). It is read again when it changes. The api requires it if VIDFERRY_ACCESS is "
        "`keys`, unless VIDFERRY_ACCESS_USER_HEADER is set; workers need it to sign the webhooks of owners.",
    )
    webhook_secrets: SecretStr | None = Field(
        None,
        description="The secret that signs webhooks where VIDFERRY_ACCESS is `none`: `whsec_` and the base64 of 24 to "
        "64 random bytes, the same for api and workers. To rotate it, list two, separated by a comma: webhooks are "
        "signed with both. Without it, no job can have a webhook there.",
    )
    webhook_http: bool = Field(
        False,
        description="Whether webhooks may go to `http:` URLs, for receivers in a network of your own. By default only "
        "`https:`. Set the same for api and workers.",
    )

    @field_validator("webhook_secrets")
    @classmethod
    def _check_secrets(cls, value: SecretStr | None) -> SecretStr | None:
        secrets = split_list(value.get_secret_value()) if value else []
        if value and not 0 < len(secrets) <= MAX_SECRETS:
            raise ValueError(f"must be one or {MAX_SECRETS} secrets, separated by a comma")
        for each in secrets:
            check_secret(each)
        return value

    @property
    def open_webhook_secrets(self) -> tuple[SecretStr, ...]:
        """Those for jobs without an owner; none where such jobs can have no webhook."""
        return (
            tuple(map(SecretStr, split_list(self.webhook_secrets.get_secret_value()))) if self.webhook_secrets else ()
        )
