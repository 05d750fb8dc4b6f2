"""Where temporary keys come from, as on EKS: STS gives them to who shows a web identity's token."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs
from uuid import uuid4

from support.layer import Answer
from support.s3_rules import Refused
from support.s3_signatures import Keys

ROLE = "arn:aws:iam::123456789012:role/vidferry"


@dataclass
class Accounts:
    """The keys that are known: one that stays, and temporary ones that STS gave out."""

    root: Keys = field(default_factory=lambda: Keys("vidferry", "secret-of-the-tests"))
    web_token: str = field(default_factory=lambda: uuid4().hex)
    lifetime: float = 3600
    """seconds that temporary keys last, as their holder is told"""
    _given: dict[str, Keys] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)

    def find(self, access: str) -> Keys | None:
        """None where nobody has that key; Refused where it has ended."""
        if access in self._ended:
            raise Refused(400, "ExpiredToken", "The provided token has expired.")
        return self.root if access == self.root.access else self._given.get(access)

    def end_temporary_keys(self) -> None:
        """Before their holders expect it."""
        self._ended.update(self._given)

    def assume_role(self, body: bytes) -> Answer:
        """AssumeRoleWithWebIdentity."""
        said = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if said.get("WebIdentityToken") != self.web_token or said.get("RoleArn") != ROLE:
            raise Refused(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        keys = Keys(f"ASIA{uuid4().hex[:16].upper()}", uuid4().hex, uuid4().hex)
        self._given[keys.access] = keys
        ends = (datetime.now(UTC) + timedelta(seconds=self.lifetime)).strftime("%Y-%m-%dT%H:%M:%SZ")
        document = f"""<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{keys.access}</AccessKeyId>
<SecretAccessKey>{keys.secret}</SecretAccessKey><SessionToken>{keys.token}</SessionToken>
<Expiration>{ends}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
<ResponseMetadata><RequestId>test</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>"""
        return 200, {"Content-Type": "text/xml"}, document.encode()
