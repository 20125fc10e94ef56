"""The secure hardware of a phone as a service on the loopback, for client libraries that run on a laptop.

A client library in any language makes its keys in software and asks here for what the hardware would say of them, under
the device authority's test root: a stack that lists that root enrols them. The demo app is the only app.

    python -m devkit.devices.evidence_service --port 0

prints the address as its first line and serves until it is ended. With the header ``Kit-Time`` (Unix seconds) evidence
is of that time, else of now. docs/client-kit.md has the routes.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from attestation.evidence import AttestationKind
from bonafide_tokens.errors import BonafideError
from bonafide_tokens.jose import EcPublicKey, b64url_decode, b64url_encode, public_key_from_jwk

from bonafide.operator.layout import LOOPBACK, Layout
from bonafide.operator.registration import DEMO_APP, DEMO_APPLE_APP_ID
from devkit.devices.android.device import SoftwareAndroid
from devkit.devices.android.play_integrity import verdict
from devkit.devices.android.releases import RELEASES as ANDROID_RELEASES
from devkit.devices.apple.generations import GENERATIONS
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.demo_app import DEMO_AGC_APP_ID, DEMO_ANDROID_SIGNER, DEMO_PACKAGE, demo_harmony_signer
from devkit.devices.fake_google import SoftwareGoogle
from devkit.devices.harmony.device import RELEASES as HARMONY_RELEASES
from devkit.devices.harmony.device import SoftwareHarmony

Members = Mapping[str, object]

TIME_HEADER: Final = "Kit-Time"
USUAL: Final[Mapping[str, str]] = {"android": "galaxy-s24", "ios": "ios-26", "harmony": "harmony-6"}
"""The release of each platform that a device is, unless it says another."""

_LARGEST_BODY: Final = 64 * 1024
_MOST_KEYS: Final = 10_000
_BUILD: Final = re.compile(r"[0-9]{1,18}\Z", re.ASCII)
_RELEASES: Final[Mapping[str, Mapping[str, Any]]] = {
    "android": ANDROID_RELEASES,
    "ios": GENERATIONS,
    "harmony": HARMONY_RELEASES,
}


class Unanswerable(Exception):
    """Hardware would not do this, or the request is wrong. The message is a sentence for the client's author."""


def facts() -> dict[str, dict[str, str]]:
    """What the usual device of each platform says of itself: ``os`` and ``model``."""
    return {
        name: {"os": release.os, "model": release.model}
        for name, release in ((name, _RELEASES[name][usual]) for name, usual in USUAL.items())
    }


@dataclass(slots=True)
class SecureHardware:
    """What answers: one phone of each platform under ``authority``. Only App Attest keys live here, with their counters
    and with whether they were attested, as a key is once."""

    authority: DeviceAuthority
    phones: dict[str, SoftwareIphone] = field(default_factory=dict)
    attested: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, asked: Members, now: float) -> dict[str, object]:
        """The answer to ``POST path``, with evidence made at ``now``. Raises :class:`Unanswerable`."""
        act = _ROUTES.get(path)
        if act is None:
            raise Unanswerable(f"There is no {path[:80]!r}: {', '.join(_ROUTES)}.")
        if asked.get("app", DEMO_APP) != DEMO_APP:
            raise Unanswerable(f"app: only {DEMO_APP} is known here.")
        return act(self, asked, now)

    def android(self, asked: Members, now: float) -> dict[str, object]:
        """A KeyStore key's certificate chain over a challenge."""
        phone, key = self._android(asked, now), _public_key(asked).key
        attest = phone.attest_agreement_key if _for_agreement(asked) else phone.attest_key
        return {"certificate_chain": _texts(attest(key, _bytes(asked, "challenge_hash")))}

    def android_integrity(self, asked: Members, now: float) -> dict[str, object]:
        """A classic Play Integrity token, of which the nonce is the client data's hash."""
        phone, google = self._android(asked, now), SoftwareGoogle(self.authority.android)
        said = verdict(
            nonce=b64url_encode(_bytes(asked, "client_data_hash")), package=phone.package, signer=phone.signer, now=now
        )
        return {"integrity_token": google.response_keys(phone.package).classic_token(said)}

    def new_apple_key(self, asked: Members, _now: float) -> dict[str, object]:
        """``generateKey``."""
        phone = SoftwareIphone(
            authority=self.authority,
            app_id=DEMO_APPLE_APP_ID,
            generation=_release("ios", asked),
            bundle_version=_build(asked),
        )
        with self._lock:
            if len(self.phones) >= _MOST_KEYS:
                raise Unanswerable("This service holds no more keys: start another one.")
            key_id = phone.generate_key()
            self.phones[key_id] = phone
        return {"key_id": key_id}

    def apple_attestation(self, asked: Members, now: float) -> dict[str, object]:
        """``attestKey``: once for each key, as on a phone."""
        key_id, digest = self._apple_key(asked), _bytes(asked, "client_data_hash")
        with self._lock:
            if key_id in self.attested:
                raise Unanswerable("key_id: this key was attested before. A key is attested once (DCError.invalidKey).")
            self.attested.add(key_id)
        phone = self.phones[key_id]
        phone.clock = lambda: now
        return {"attestation_object": b64url_encode(phone.attest_key(key_id, digest))}

    def apple_assertion(self, asked: Members, _now: float) -> dict[str, object]:
        """``generateAssertion``, by a key that was attested."""
        key_id, digest = self._apple_key(asked), _bytes(asked, "client_data_hash")
        with self._lock:
            if key_id not in self.attested:
                raise Unanswerable("key_id: this key was not attested yet (DCError.invalidKey).")
            return {"assertion": b64url_encode(self.phones[key_id].generate_assertion(key_id, digest))}

    def harmony(self, asked: Members, now: float) -> dict[str, object]:
        """A HUKS key's anonymous certificate chain over a challenge."""
        device, key = self._harmony(asked, now), _public_key(asked).key
        attest = device.attest_agreement_key if _for_agreement(asked) else device.attest_key
        chain = attest(key, _bytes(asked, "challenge_hash"))
        return {"certificate_chain": _texts(chain), "kind": AttestationKind.ANONYMOUS.value}

    def harmony_integrity(self, asked: Members, now: float) -> dict[str, object]:
        """A SysIntegrity token over the client data's hash."""
        device = self._harmony(asked, now)
        token = device.check_integrity(_bytes(asked, "client_data_hash"))
        return {"integrity_token": token, "profile": device.profile.value}

    def _android(self, asked: Members, now: float) -> SoftwareAndroid:
        return SoftwareAndroid(
            authority=self.authority.android,
            package=DEMO_PACKAGE,
            signer=DEMO_ANDROID_SIGNER,
            version_code=int(_build(asked)),
            release=_release("android", asked),
            device=secrets.randbits(32),  # a phone each time: stacks bound what one phone enrols in a day
            clock=lambda: now,
        )

    def _harmony(self, asked: Members, now: float) -> SoftwareHarmony:
        return SoftwareHarmony(
            authority=self.authority.harmony,
            bundle_name=DEMO_PACKAGE,
            signer=demo_harmony_signer(),
            agc_app_id=DEMO_AGC_APP_ID,
            release=_release("harmony", asked),
            clock=lambda: now,
        )

    def _apple_key(self, asked: Members) -> str:
        key_id = asked.get("key_id")
        if not isinstance(key_id, str) or key_id not in self.phones:
            raise Unanswerable("key_id: no key of this phone, as /apple/keys gave it (DCError.invalidInput).")
        return key_id


_ROUTES: Final[Mapping[str, Callable[[SecureHardware, Members, float], dict[str, object]]]] = {
    "/android": SecureHardware.android,
    "/android/integrity": SecureHardware.android_integrity,
    "/apple/keys": SecureHardware.new_apple_key,
    "/apple/attest": SecureHardware.apple_attestation,
    "/apple/assert": SecureHardware.apple_assertion,
    "/harmony": SecureHardware.harmony,
    "/harmony/integrity": SecureHardware.harmony_integrity,
}


@dataclass(slots=True)
class EvidenceService:
    """The hardware, served on ``port`` of the loopback (0: any) between :meth:`start` and :meth:`stop`."""

    hardware: SecureHardware
    port: int = 0
    _server: ThreadingHTTPServer | None = field(default=None, init=False)

    def start(self) -> None:
        """Serve from a thread. Raises :class:`OSError` where the port is taken."""
        handler = type("Handler", (_Handler,), {"hardware": self.hardware})
        self._server = ThreadingHTTPServer((LOOPBACK, self.port), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="evidence", daemon=True).start()

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
            raise RuntimeError("the evidence service is not running")
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    hardware: SecureHardware
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        if self.path == "/facts":
            self._json(200, facts())
        else:
            self._json(404, {"error": "GET /facts, or POST."})

    def do_POST(self) -> None:
        try:
            answer = self.hardware.answer(self.path, self._asked(), self._time())
        except Unanswerable as error:
            self.close_connection = True  # a body that was too large was not read
            self._json(400, {"error": str(error)})
        else:
            self._json(200, answer)

    def _asked(self) -> Members:
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,6}", length, re.ASCII) or int(length) > _LARGEST_BODY:
            raise Unanswerable(f"Content-Length: a number up to {_LARGEST_BODY} is needed.")
        try:
            asked = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict):
            raise Unanswerable("The body is no JSON object.")
        return asked

    def _time(self) -> float:
        text = self.headers.get(TIME_HEADER)
        if text is None:
            return time.time()
        moment = read_time(text)
        if moment is None:
            raise Unanswerable(f"{TIME_HEADER}: Unix seconds are needed.")
        return moment

    def _json(self, status: int, content: Mapping[str, object]) -> None:
        body = json.dumps(content).encode("utf-8")
        self.send_response(status)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Nothing."""


def read_time(text: str) -> float | None:
    """Unix seconds of this century, as ``Kit-Time`` has them; ``None`` for anything else."""
    try:
        moment = float(text)
    except ValueError:
        return None
    return moment if math.isfinite(moment) and 946_684_800 <= moment < 4_102_444_800 else None


def _public_key(asked: Members) -> EcPublicKey:
    jwk = asked.get("public_key")
    try:
        return public_key_from_jwk(jwk if isinstance(jwk, Mapping) else {})
    except BonafideError as error:
        raise Unanswerable("public_key: a public JWK of P-256 is needed.") from error


def _bytes(asked: Members, name: str) -> bytes:
    """The 32 bytes of a hash."""
    text = asked.get(name)
    try:
        data = b64url_decode(text) if isinstance(text, str) else b""
    except BonafideError:
        data = b""
    if len(data) != 32:
        raise Unanswerable(f"{name}: 32 bytes in base64url without padding are needed.")
    return data


def _for_agreement(asked: Members) -> bool:
    purpose = asked.get("purpose", "sign")
    if purpose not in ("sign", "agree"):
        raise Unanswerable("purpose: sign or agree.")
    return purpose == "agree"


def _build(asked: Members) -> str:
    build = asked.get("app_build", "1")
    if not isinstance(build, str) or not _BUILD.match(build):
        raise Unanswerable("app_build: a text of 1 to 18 digits is needed.")
    return build


def _release(platform: str, asked: Members) -> Any:
    name = asked.get("release", USUAL[platform])
    known = _RELEASES[platform]
    if not isinstance(name, str) or name not in known:
        raise Unanswerable(f"release: one of {', '.join(known)}.")
    return known[name]


def _texts(chain: tuple[bytes, ...]) -> list[str]:
    return [b64url_encode(certificate) for certificate in chain]


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(prog="python -m devkit.devices.evidence_service", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0, the default, takes a free one")
    parser.add_argument(
        "--authority", type=Path, help="folder of the test root; default: that of the local stack, made where missing"
    )
    options = parser.parse_args()
    folder = options.authority or Layout.from_environment().authority
    service = EvidenceService(SecureHardware(DeviceAuthority.load_or_create(folder)), options.port)
    service.start()
    print(service.url, flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        service.stop()


if __name__ == "__main__":
    main()
