"""IAM's signBlob, and the metadata server that Workload Identity asks: both really work, with the account's key."""

import base64
import json
from urllib.parse import urlsplit

from support.gcs_faults import METADATA, SIGN
from support.gcs_rules import Account, Refused
from support.layer import Answer

_JSON = {"Content-Type": "application/json"}


def metadata(account: Account, target: str) -> Answer:
    path = urlsplit(target).path.removeprefix(METADATA).strip("/")
    headers = {"Metadata-Flavor": "Google", **_JSON}
    if path.endswith("/token"):
        token = {"access_token": account.new_token(), "expires_in": 3600, "token_type": "Bearer"}
        return 200, headers, json.dumps(token).encode()
    if path.startswith("instance/service-accounts/"):
        scopes = ["https://www.googleapis.com/auth/cloud-platform"]
        return 200, headers, json.dumps({"email": account.email, "aliases": ["default"], "scopes": scopes}).encode()
    # The made-up universe keeps google-auth from asking Google about the account.
    plain = {"universe/universe-domain": "vidferry.test", "project/project-id": "vidferry-test"}.get(path, "")
    return 200, {**headers, "Content-Type": "text/plain"}, plain.encode()


def sign_blob(account: Account, target: str, body: bytes) -> Answer:
    if urlsplit(target).path.removeprefix(SIGN).removesuffix(":signBlob") != account.email:
        raise Refused(403, "Permission 'iam.serviceAccounts.signBlob' denied on resource (or it may not exist).")
    signed = base64.b64encode(account.sign(base64.b64decode(json.loads(body)["payload"]))).decode()
    return 200, _JSON, json.dumps({"keyId": "1", "signedBlob": signed}).encode()
