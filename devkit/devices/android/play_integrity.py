"""A software Play service: integrity verdicts, and classic tokens around them, under response keys of our own.

Every header and every layer is open to change, so that hostile tokens can be made: another algorithm, another key, a
verdict without a signature.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from attestation.reference_values import PlayIntegrityKeys
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signing import es256_sign
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from devkit.devices.authority.certificate_template import RandomBytes, new_private_key, spki_of

JWE_HEADER: Final[Mapping[str, object]] = {"alg": "A256KW", "enc": "A256GCM"}
JWS_HEADER: Final[Mapping[str, object]] = {"alg": "ES256"}


def verdict(
    *,
    package: str,
    signer: bytes,
    now: float,
    nonce: str | None = None,
    request_hash: str | None = None,
    device_labels: tuple[str, ...] = ("MEETS_BASIC_INTEGRITY", "MEETS_DEVICE_INTEGRITY", "MEETS_STRONG_INTEGRITY"),
) -> dict[str, Any]:
    """The verdict on a genuine app on a sound device, as ``tokenPayloadExternal`` spells it."""
    request: dict[str, Any] = {"requestPackageName": package, "timestampMillis": str(int(now * 1000))}
    if nonce is not None:
        request["nonce"] = nonce
    if request_hash is not None:
        request["requestHash"] = request_hash
    return {
        "requestDetails": request,
        "appIntegrity": {
            "appRecognitionVerdict": "PLAY_RECOGNIZED",
            "packageName": package,
            "certificateSha256Digest": [b64url_encode(signer)],
            "versionCode": "42",
        },
        "deviceIntegrity": {
            "deviceRecognitionVerdict": list(device_labels),
            "deviceAttributes": {"sdkVersion": 35},
            "recentDeviceActivity": {"deviceActivityLevel": "LEVEL_1"},
        },
        "accountDetails": {"appLicensingVerdict": "LICENSED"},
        "environmentDetails": {
            "playProtectVerdict": "NO_ISSUES",
            "appAccessRiskVerdict": {"appsDetected": ["KNOWN_INSTALLED"]},
        },
    }


@dataclass(frozen=True, slots=True)
class ResponseKeys:
    """The key pair of one app in a software Play Console, with the half that only Google has."""

    decryption_key: bytes = field(repr=False)
    signing_key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def create(cls, random: RandomBytes = secrets.token_bytes) -> ResponseKeys:
        return cls(random(32), new_private_key(ec.SECP256R1(), random))

    @property
    def ours(self) -> PlayIntegrityKeys:
        """What the app's owner downloads."""
        return PlayIntegrityKeys(decryption_key=self.decryption_key, verification_key=spki_of(self.signing_key))

    @property
    def console_texts(self) -> dict[str, str]:
        """The same as the console shows it: standard base64."""
        ours = self.ours
        return {
            "decryption_key": base64.b64encode(ours.decryption_key).decode("ascii"),
            "verification_key": base64.b64encode(ours.verification_key).decode("ascii"),
        }

    def signed(self, payload: Mapping[str, object], header: Mapping[str, object] = JWS_HEADER) -> str:
        """A JWS of ``payload``. The signature is ES256, whatever the header says."""
        text = f"{_segment(header)}.{_segment(payload)}"
        return f"{text}.{b64url_encode(es256_sign(self.signing_key, text.encode('ascii')))}"

    def encrypted(self, plaintext: bytes, header: Mapping[str, object] = JWE_HEADER, *, bits: int = 256) -> str:
        """A JWE of ``plaintext``. The key is wrapped under ``bits`` of ours, whatever the header says."""
        return encrypted(plaintext, self.decryption_key[: bits // 8], header)

    def classic_token(self, payload: Mapping[str, object]) -> str:
        """A classic token around ``payload``."""
        return self.encrypted(self.signed(payload).encode("ascii"))


def encrypted(plaintext: bytes, key: bytes, header: Mapping[str, object] = JWE_HEADER) -> str:
    """A compact JWE by AES key wrap under ``key`` and A256GCM (RFC 7516 §5.1)."""
    content_key, iv = secrets.token_bytes(32), secrets.token_bytes(12)
    protected = _segment(header)
    sealed = AESGCM(content_key).encrypt(iv, plaintext, protected.encode("ascii"))
    parts = (aes_key_wrap(key, content_key), iv, sealed[:-16], sealed[-16:])
    return ".".join((protected, *map(b64url_encode, parts)))


def directly_encrypted(plaintext: bytes, key: bytes, header: Mapping[str, object]) -> str:
    """A compact JWE whose content key is ``key`` itself (``alg: dir``): no key segment."""
    iv, protected = secrets.token_bytes(12), _segment(header)
    sealed = AESGCM(key).encrypt(iv, plaintext, protected.encode("ascii"))
    return f"{protected}..{b64url_encode(iv)}.{b64url_encode(sealed[:-16])}.{b64url_encode(sealed[-16:])}"


def _segment(value: Mapping[str, object]) -> str:
    return b64url_encode(json.dumps(value, separators=(",", ":")).encode("utf-8"))
