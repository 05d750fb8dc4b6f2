"""An OpenID Connect issuer, as small as they come: its configuration, its keys, and tokens of whoever asks for one.

POST /token signs the claims that are sent, with the issuer's own beside them; POST /rotate replaces its key.
"""

import json
import time
import uuid
from base64 import urlsafe_b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

LIFETIME = 600
"""seconds"""


class Issuer:
    """The issuer and the one key that it signs with."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.rotate()

    def rotate(self) -> None:
        """From now on the key before is nobody's."""
        self._key, self._key_id = rsa.generate_private_key(65537, 2048), uuid.uuid4().hex

    @property
    def configuration(self) -> dict[str, Any]:
        """Source: OpenID Connect Discovery 1.0, section 3"""
        return {"issuer": self._address, "jwks_uri": f"{self._address}/keys",
                "id_token_signing_alg_values_supported": ["RS256"]}  # fmt: skip

    @property
    def key_set(self) -> dict[str, Any]:
        public = self._key.public_key().public_numbers()
        numbers = {name: _encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))
                   for name, number in (("n", public.n), ("e", public.e))}  # fmt: skip
        return {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self._key_id, **numbers}]}

    def token(self, claims: dict[str, Any]) -> str:
        now = int(time.time())
        body = {"iss": self._address, "iat": now, "exp": now + LIFETIME, **claims}
        parts = ({"alg": "RS256", "typ": "JWT", "kid": self._key_id}, body)
        signed = ".".join(_encode(json.dumps(part).encode()) for part in parts)
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encode(signature)}"


def serve(port: int, address: str) -> None:
    issuer = Issuer(address)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = {"/.well-known/openid-configuration": issuer.configuration, "/keys": issuer.key_set}
            self._answer(found.get(self.path))

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path == "/rotate":
                issuer.rotate()
                self._answer({})
            else:
                self._answer({"token": issuer.token(json.loads(sent))})

        def _answer(self, document: dict[str, Any] | None) -> None:
            body = json.dumps(document).encode()
            self.send_response(404 if document is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            """Quiet."""

    with ThreadingHTTPServer(("0.0.0.0", port), Handler) as server:
        server.serve_forever()


def _encode(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
