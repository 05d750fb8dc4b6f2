"""A small OpenID Connect issuer: its configuration and its keys by HTTP, and tokens as it issues them."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "vidferry"
CONFIGURATION, KEYS = "/.well-known/openid-configuration", "/keys"


class OidcIssuer:
    """An issuer on a free port of this machine, with an RSA and an EC key that it can rotate."""

    def __init__(self) -> None:
        issuer = self
        self.asked: list[str] = []
        """the paths that were asked for"""
        self.configuration: dict[str, Any] = {}
        """what its configuration tells beyond, or instead of, what is right"""
        self.is_down = False
        self._generation = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                content = json.dumps(issuer.answer(self.path)).encode()
                self.send_response(503 if issuer.is_down else 200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.rotate()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def rotate(self) -> None:
        """Takes new keys, and forgets the old ones."""
        self._generation += 1
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())

    def key_id(self, algorithm: str) -> str:
        return f"{algorithm}-{self._generation}"

    def answer(self, path: str) -> dict[str, Any]:
        if path == CONFIGURATION:
            return {"issuer": self.url, "jwks_uri": self.url + KEYS, **self.configuration}
        return {
            "keys": [
                {**RSAAlgorithm.to_jwk(self.rsa.public_key(), as_dict=True), "kid": self.key_id("RS256"), "use": "sig"},
                {**ECAlgorithm.to_jwk(self.ec.public_key(), as_dict=True), "kid": self.key_id("ES256"), "alg": "ES256"},
            ]
        }

    def settings(self) -> dict[str, str]:
        """The api's settings, for access with tokens of this issuer."""
        return {"access": "oidc", "oidc_issuer": self.url, "oidc_audience": AUDIENCE, "ticket_keys": "t" * 32}

    def claims(self, **claims: Any) -> dict[str, Any]:
        """Claims of a valid token, with these instead; None leaves one out."""
        now = int(time.time())
        usual = {
            "iss": self.url, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 300,
            "scope": "openid jobs:read jobs:write objects:read",
        }  # fmt: skip
        return {name: value for name, value in {**usual, **claims}.items() if value is not None}

    def token(self, algorithm: str = "RS256", *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token that this issuer signed."""
        key = self.ec if algorithm.startswith("ES") else self.rsa
        headers = {"kid": self.key_id(algorithm), **(header or {})}
        return jwt.encode(self.claims(**claims), key, algorithm, headers=headers)
