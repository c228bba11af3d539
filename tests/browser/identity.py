"""A provider of accounts on this machine: OpenID Connect as far as a sign-in needs it. Everybody is who they say."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from authlib.jose import JsonWebKey, jwt

CLIENT = "vit-explore"
_KEY = JsonWebKey.generate_key("RSA", 2048, {"kid": "1"}, is_private=True)


class _Provider(BaseHTTPRequestHandler):
    """Signs in as whoever `server.person` is: (subject, name, e-mail)."""

    server: Any

    @property
    def _issuer(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path == "/.well-known/openid-configuration":
            names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            known = {name: f"{self._issuer}/{value}" for name, value in names.items()}
            self._say({
                "issuer": self._issuer, **known, "response_types_supported": ["code"],
                "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
            })  # fmt: skip
        elif path == "/keys":
            self._say({"keys": [_KEY.as_dict(is_private=False)]})
        elif path == "/authorize":
            self.server.nonce = query.get("nonce", [""])[0]
            back = urlencode({"code": "code", "state": query["state"][0]})
            self.send_response(302)
            self.send_header("Location", f"{query['redirect_uri'][0]}?{back}")
            self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        subject, name, email = self.server.person
        now = int(time.time())
        claims = {
            "iss": self._issuer, "aud": CLIENT, "sub": subject, "iat": now, "exp": now + 600, "name": name,
            "nonce": self.server.nonce, "email": email, "email_verified": True,
        }  # fmt: skip
        token = jwt.encode({"alg": "RS256", "kid": "1"}, claims, _KEY).decode()
        self._say({"access_token": "access", "token_type": "Bearer", "expires_in": 600, "id_token": token})

    def _say(self, values: Any) -> None:
        body = json.dumps(values).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def provider() -> Iterator[Any]:
    """The provider, until the `with` ends. Set its `person` before somebody signs in."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Provider)
    server.person, server.nonce = ("ada", "Ada", "ada@school.example"), ""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()


def secrets(server: Any, app: str, teachers: list[str]) -> str:
    """The text of a secrets.toml for it."""
    return (
        f'[auth]\nredirect_uri = "{app}/oauth2callback"\ncookie_secret = "a secret of these tests"\n'
        f'client_id = "{CLIENT}"\nclient_secret = "another one"\n'
        f'server_metadata_url = "http://127.0.0.1:{server.server_port}/.well-known/openid-configuration"\n'
        f"[vit_explore]\nteachers = {json.dumps(teachers)}\n"
    )
