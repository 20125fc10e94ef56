"""The phone that the reference client runs on: its clocks, its chance, its key store."""

from __future__ import annotations

import base64
import json
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from attestation.claims import key_id_of
from bonafide_tokens.jose import EcPublicKey, b64url_encode
from bonafide_tokens.signing import es256_sign, public_key_of
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

Ask = Callable[[str, Mapping[str, object]], Mapping[str, Any]]
"""Asks the secure hardware: path and members to the answer's members."""

ATTESTED, REQUEST, SEALING = "attested", "request", "sealing"
_CURVE: Final = ec.SECP256R1()


class KeyStoreFailed(Exception):
    """The key store did not do it. ``code`` is one of docs/attestation-failures.json."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class DeviceTime:
    """Virtual time ``at`` (Unix seconds), moved by :meth:`pass_` alone. The wall clock is wrong by ``wrong_by``."""

    at: float
    wrong_by: float = 0.0
    monotonic_start: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._began = self.at

    def pass_(self, seconds: float) -> None:
        """Let time go by."""
        with self._lock:
            self.at += max(0.0, seconds)

    def wall(self) -> float:
        """What the phone's clock shows."""
        return self.at + self.wrong_by

    def monotonic(self) -> float:
        """The clock that is never set."""
        return self.at - self._began + self.monotonic_start


@dataclass
class KeyStore:
    """Keys by name in ``folder``, as a platform's key store holds them; ``ask`` is the hardware.

    ``broken`` is the code that every use of a key fails with; ``None`` for a key store that works.
    """

    platform: str
    folder: Path
    ask: Ask
    app: str
    app_build: str
    broken: str | None = None

    def new_key(self, name: str) -> EcPublicKey:
        """Make the key of that name, in place of the one before."""
        self._work()
        key = ec.generate_private_key(_CURVE)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        draft = self.folder / f"{name}.{threading.get_ident()}"
        draft.write_bytes(pem)
        draft.replace(self.folder / f"{name}.pem")
        return public_key_of(key)

    def has(self, name: str) -> bool:
        """Whether the key is there."""
        return (self.folder / f"{name}.pem").exists()

    def key(self, name: str) -> ec.EllipticCurvePrivateKey:
        """The key, to sign or to open with. Raises :class:`KeyStoreFailed`."""
        self._work()
        try:
            pem = (self.folder / f"{name}.pem").read_bytes()
        except FileNotFoundError:
            raise KeyStoreFailed("key-lost") from None
        key = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise KeyStoreFailed("key-lost")
        return key

    def lose(self) -> None:
        """What a restored backup does: the attested key is gone."""
        for file in (self.folder / f"{ATTESTED}.pem", self.folder / "app-attest.json"):
            file.unlink(missing_ok=True)

    def new_attested_key(self) -> str:
        """Make the key that will be attested. Returns its name in Bonafide."""
        self._work()
        if self.platform in ("ios", "macos"):
            text = str(self.ask("/apple/keys", {"app": self.app, "app_build": self.app_build})["key_id"])
            (self.folder / "app-attest.json").write_text(json.dumps(text), encoding="utf-8")
            return b64url_encode(base64.b64decode(text))
        return key_id_of(self.new_key(ATTESTED).point)

    def attestation(self, client_data: bytes) -> list[dict[str, Any]]:
        """The evidence of an enrolment."""
        self._work()
        digest = b64url_encode(sha256(client_data).digest())
        if self.platform in ("ios", "macos"):
            text = self._apple_key()
            answer = self._asked("/apple/attest", {"key_id": text, "client_data_hash": digest, "app": self.app})
            return [{"format": "apple-app-attest", "key_id": b64url_encode(base64.b64decode(text)), **answer}]
        key = public_key_of(self.key(ATTESTED)).to_jwk()
        asked = {"public_key": key, "challenge_hash": digest, "app": self.app, "app_build": self.app_build}
        answer = self._asked(f"/{self.platform}", asked)
        return [{"format": f"{self.platform}-key-attestation", **answer}, *self._integrity(digest)]

    def renewal(self, client_data: bytes) -> list[dict[str, Any]]:
        """The evidence of a renewal."""
        self._work()
        digest = b64url_encode(sha256(client_data).digest())
        if self.platform in ("ios", "macos"):
            asked = {"key_id": self._apple_key(), "client_data_hash": digest, "app": self.app}
            return [{"format": "apple-app-attest-assertion", **self._asked("/apple/assert", asked)}]
        signature = es256_sign(self.key(ATTESTED), client_data)
        return [{"format": "key-signature", "signature": b64url_encode(signature)}, *self._integrity(digest)]

    def has_attested_key(self) -> bool:
        """Whether the attested key is there."""
        return self.has(ATTESTED) or (self.folder / "app-attest.json").exists()

    def _integrity(self, digest: str) -> list[dict[str, Any]]:
        if self.platform != "harmony":
            return []
        answer = self._asked("/harmony/integrity", {"client_data_hash": digest, "app": self.app})
        return [{"format": "harmony-device-integrity", **answer}]

    def _apple_key(self) -> str:
        try:
            return str(json.loads((self.folder / "app-attest.json").read_text("utf-8")))
        except FileNotFoundError:
            raise KeyStoreFailed("key-lost") from None

    def _asked(self, path: str, members: Mapping[str, object]) -> Mapping[str, Any]:
        return self.ask(path, members)

    def check(self) -> None:
        """Raise :class:`KeyStoreFailed` where no key can be used."""
        self._work()

    def _work(self) -> None:
        if self.broken is not None:
            raise KeyStoreFailed(self.broken)


def seeded(seed: int) -> random.Random:
    """Chance that a test can repeat."""
    return random.Random(seed)  # noqa: S311  # jitter and renewal points
