"""Stand-ins for the vendors' servers, on the loopback: Google's status list, its token endpoint, Play Integrity, and
Apple's exchange of receipts.

The status list is a file that may be edited while the stack runs: `.local/status-list.json`. The service account's key
file beside it is in Google's own format, and the stand-in checks grants against it.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
from attestation.reference_values import Environment
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bonafide.operator.layout import LOOPBACK
from devkit.devices.fake_apple import SoftwareApple
from devkit.devices.fake_google import SoftwareGoogle

STATUS_PATH = "/attestation/status"
TOKEN_PATH = "/token"
SCOPE = "https://www.googleapis.com/auth/playintegrity"
_DECODE = re.compile(r"/v1/([A-Za-z0-9_.]+):decodeIntegrityToken\Z")
_LARGEST_BODY = 64 * 1024
_APPLE_PATHS = {
    "/production/v1/attestationData": Environment.PRODUCTION,
    "/development/v1/attestationData": Environment.DEVELOPMENT,
}
_APPLE_PARAMETERS = {
    Environment.PRODUCTION: "AppleReceiptUrl",
    Environment.DEVELOPMENT: "AppleDevelopmentReceiptUrl",
}


@dataclass
class VendorServers:
    """Serves until `stop`. `status_list` and `service_account` are made where they are missing."""

    google: SoftwareGoogle
    status_list: Path
    service_account: Path
    apple: SoftwareApple | None = None
    asked: list[str] = field(default_factory=list)
    """What was asked, as `POST /v1/…`; for tests."""
    access_tokens: set[str] = field(default_factory=set)
    _server: ThreadingHTTPServer | None = field(default=None, init=False)
    _public_key: Any = field(default=None, init=False)

    def start(self) -> None:
        """Bind a free port and serve from a thread."""
        handler = type("Handler", (_Handler,), {"servers": self})
        self._server = ThreadingHTTPServer((LOOPBACK, 0), handler)
        self._server.daemon_threads = True
        self._revoke_what_is_always_revoked()
        self._load_account()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="vendors", daemon=True).start()

    def stop(self) -> None:
        """End it. May be called more than once."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def url(self) -> str:
        """Base URL, without a slash at its end."""
        if self._server is None:
            raise RuntimeError("the vendors' stand-ins are not running")
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    @property
    def outage(self) -> Path:
        """While this file exists, everything is answered with 503."""
        return outage_beside(self.status_list)

    @property
    def status_list_url(self) -> str:
        return self.url + STATUS_PATH

    @property
    def stack_parameters(self) -> dict[str, str]:
        """What a stack is told, to ask these servers and not the vendors'."""
        return {
            "AndroidStatusListUrl": self.status_list_url,
            "PlayDecodeEndpoint": self.url,
            **{_APPLE_PARAMETERS[environment]: self.url + path for path, environment in _APPLE_PATHS.items()},
        }

    def _revoke_what_is_always_revoked(self) -> None:
        """Another test root has other serials; what a developer wrote into the file stays, a broken file too."""
        try:
            listed = json.loads(self.status_list.read_bytes()) if self.status_list.exists() else {}
        except ValueError:
            return
        ours = self.google.status_list()["entries"]
        known = listed.get("entries", {}) if isinstance(listed, dict) else {}
        if isinstance(known, dict) and not ours.keys() <= known.keys():
            write_status_list(self.status_list, {**listed, "entries": {**ours, **known}})

    def _load_account(self) -> None:
        """Read the service account, or make one; its token endpoint is wherever this runs."""
        account: dict[str, str] = {}
        if self.service_account.exists():
            account = json.loads(self.service_account.read_text("utf-8"))
        if "private_key" not in account:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            pem = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            account = {
                "type": "service_account",
                "client_email": "bonafide@software-google.iam.gserviceaccount.com",
                "private_key_id": sha256(pem).hexdigest()[:40],
                "private_key": pem.decode("ascii"),
            }
        account["token_uri"] = self.url + TOKEN_PATH
        self.service_account.parent.mkdir(parents=True, exist_ok=True)
        self.service_account.touch(mode=0o600)
        self.service_account.write_text(json.dumps(account, indent=1) + "\n", encoding="utf-8")
        private_key = serialization.load_pem_private_key(
            account["private_key"].encode("ascii"), password=None, unsafe_skip_rsa_key_validation=True
        )  # our own key: to prove its primes takes as long as a stack's other vendors need to start
        self._public_key = private_key.public_key()

    def grant(self, form: Mapping[str, list[str]]) -> str | None:
        """An access token for a JWT bearer grant (RFC 7523) by our account; ``None`` for anything else."""
        (assertion,) = form.get("assertion", [""])
        if form.get("grant_type") != ["urn:ietf:params:oauth:grant-type:jwt-bearer"]:
            return None
        try:
            claims = jwt.decode(
                assertion,
                self._public_key,
                algorithms=["RS256"],
                audience=self.url + TOKEN_PATH,
                options={"require": ["iss", "aud", "exp", "iat"], "verify_iat": False},
            )
        except jwt.PyJWTError:
            return None
        if claims.get("scope") != SCOPE or claims["exp"] - claims["iat"] > 3600:
            return None
        access = secrets.token_urlsafe(24)
        self.access_tokens.add(access)
        return access


def outage_beside(status_list: Path) -> Path:
    """The file by which the stand-ins of a stack fail."""
    return status_list.with_name("vendor-outage")


def write_status_list(path: Path, content: Mapping[str, object]) -> None:
    """Replace the list in one step, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


class _Handler(BaseHTTPRequestHandler):
    servers: VendorServers
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.servers.asked.append(f"GET {self.path}")
        if self.servers.outage.exists():
            self._json(503, {"error": {"code": 503, "status": "UNAVAILABLE"}})
            return
        if self.path != STATUS_PATH:
            self._json(404, {"error": {"code": 404}})
            return
        content = self.servers.status_list.read_bytes()
        etag = f'"{sha256(content).hexdigest()[:16]}"'
        headers = {"ETag": etag, "Cache-Control": "public, max-age=0"}
        if self.headers.get("If-None-Match") == etag:
            self._answer(304, b"", headers)
        else:
            self._answer(200, content, {"Content-Type": "application/json", **headers})

    def do_POST(self) -> None:
        self.servers.asked.append(f"POST {self.path}")
        body = self.rfile.read(min(int(self.headers.get("Content-Length", "0")), _LARGEST_BODY))
        decode = _DECODE.match(self.path)
        if self.servers.outage.exists():
            self._json(503, {"error": {"code": 503, "status": "UNAVAILABLE"}})
        elif self.path == TOKEN_PATH:
            access = self.servers.grant(parse_qs(body.decode("ascii")))
            if access is None:
                self._json(400, {"error": "invalid_grant"})
            else:
                self._json(200, {"access_token": access, "expires_in": 3599, "token_type": "Bearer"})
        elif self.path in _APPLE_PATHS and self.servers.apple is not None:
            authorization = self.headers.get("Authorization", "")
            apple = self.servers.apple.answer(_APPLE_PATHS[self.path], body, authorization)
            self._answer(apple.status, apple.body, apple.headers)
        elif decode is None:
            self._json(404, {"error": {"code": 404}})
        elif self.headers.get("Authorization", "").removeprefix("Bearer ") not in self.servers.access_tokens:
            self._json(401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}})
        else:
            self._decode(decode[1], body)

    def _decode(self, package: str, body: bytes) -> None:
        verdict = self.servers.google.decode(str(json.loads(body).get("integrityToken", "")), package)
        if verdict is None:
            self._json(400, {"error": {"code": 400, "status": "INVALID_ARGUMENT"}})
        else:
            self._json(200, {"tokenPayloadExternal": verdict})

    def _json(self, status: int, content: Mapping[str, object]) -> None:
        self._answer(status, json.dumps(content).encode("utf-8"), {"Content-Type": "application/json; charset=UTF-8"})

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Nothing."""
