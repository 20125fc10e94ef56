"""A software Android device: what the new version is shown before apps are.

Its chain is shaped as a phone's and ends in a root of its own. No stack trusts it, unless its root is among the
stack's development trust anchors, which production refuses to have. Then it is told the root's key (``CANARY_DEVICE``).
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.signing import es256_sign, make_proof, public_key_of
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key
from cryptography.x509.oid import NameOID

_KEY_DESCRIPTION: Final = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.1.17")
_NULL: Final = b"\x05\x00"
_TEE: Final = 1
_YEARS: Final = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Root:
    """A key that certifies software devices, and its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class KnownApp:
    """The registered app that the device has installed: its package, and the SHA-256 of its signing certificate."""

    app: str
    package: str
    signer: bytes


def read_device(text: str) -> tuple[KnownApp, Root]:
    """The app and the root that ``CANARY_DEVICE`` names.

    JSON: ``app``, ``package``, ``signer`` (SHA-256, hex), ``root_key`` (PKCS #8) and ``root_certificate`` (both DER in
    base64). Raises :class:`ValueError` without a word of what is in it.
    """
    try:
        given = json.loads(text)
        key = load_der_private_key(base64.b64decode(given["root_key"], validate=True), None)
        certificate = x509.load_der_x509_certificate(base64.b64decode(given["root_certificate"], validate=True))
        app = KnownApp(str(given["app"]), str(given["package"]), bytes.fromhex(given["signer"]))
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise ValueError("CANARY_DEVICE names no device (docs/deploying.md)") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(  # noqa: TRY004 - one error for whatever is wrong with the text
            "the root key of CANARY_DEVICE is no EC key"
        )
    return app, Root(key, certificate)


def unknown_root(now: float) -> Root:
    """A root that nothing trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Bonafide canary, trusted by nothing")])
    return Root(key, _certificate(name, key.public_key(), name, key, now, ca=True))


class SoftwareDevice:
    """One device with the app installed, and what its app would send."""

    def __init__(self, app: KnownApp, root: Root, now: float) -> None:
        self.app, self._root, self._now = app, root, now
        self._attested_key = ec.generate_private_key(ec.SECP256R1())
        self._request_key = ec.generate_private_key(ec.SECP256R1())

    @property
    def key_id(self) -> str:
        """The attested key's name."""
        return b64url_encode(sha256(public_key_of(self._attested_key).point).digest())

    def enrolment(self, challenge: str) -> dict[str, object]:
        """The body of ``POST /v1/attestations``."""
        client_data = self._client_data(challenge)
        chain = [b64url_encode(certificate) for certificate in self._chain(sha256(client_data).digest())]
        evidence = {"format": "android-key-attestation", "certificate_chain": chain}
        return {"app": self.app.app, "client_data": b64url_encode(client_data), "evidence": [evidence]}

    def renewal(self, challenge: str) -> dict[str, object]:
        """The body of ``POST /v1/tokens``."""
        client_data = self._client_data(challenge)
        signature = es256_sign(self._attested_key, client_data)
        evidence = {"format": "key-signature", "signature": b64url_encode(signature)}
        return {"key_id": self.key_id, "client_data": b64url_encode(client_data), "evidence": [evidence]}

    def proof(self, *, method: str, url: str, token: str, nonce: str | None = None, body: bytes | None = None) -> str:
        """A proof for one request (RFC 9449), and for its body where there is one."""
        return make_proof(
            self._request_key,
            method=method,
            url=url,
            token=token,
            jti=b64url_encode(secrets.token_bytes(16)),
            now=self._now,
            nonce=nonce,
            content_digest=None if body is None else content_digest(body),
        )

    def _client_data(self, challenge: str) -> bytes:
        members: Mapping[str, Any] = {
            "challenge": challenge,
            "request_key": public_key_of(self._request_key).to_jwk(),
            "app_build": "1",
            "os": "Android 16",
            "model": "canary",
            "measurements": {},
            "signals": [],
            "client_policy_version": 0,
        }
        return json.dumps(members, separators=(",", ":")).encode("utf-8")

    def _chain(self, challenge: bytes) -> list[bytes]:
        """Leaf, batch, intermediate, root, as a phone that got its batch key in the factory sends them."""
        names = [_factory_name(text) for text in ("5a5a000000000001", "5a5a000000000002")]
        keys = [ec.generate_private_key(ec.SECP256R1()) for _ in names]
        root = self._root
        intermediate = _certificate(
            names[0], keys[0].public_key(), root.certificate.subject, root.key, self._now, ca=True
        )
        batch = _certificate(names[1], keys[1].public_key(), names[0], keys[0], self._now, ca=True)
        leaf = _certificate(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Android Keystore Key")]),
            self._attested_key.public_key(),
            names[1],
            keys[1],
            self._now,
            description=self._key_description(challenge),
        )
        return [one.public_bytes(Encoding.DER) for one in (leaf, batch, intermediate, root.certificate)]

    def _key_description(self, challenge: bytes) -> bytes:
        """What KeyMint would say of the key (Android documentation, "Key and ID attestation", version 300)."""
        month = datetime.fromtimestamp(self._now, UTC).replace(day=1) - timedelta(days=1)
        patch = month.year * 100 + month.month
        application = _sequence(
            _set(_sequence(_octets(self.app.package.encode("utf-8")), _integer(1))), _set(_octets(self.app.signer))
        )
        boot = _sequence(
            _octets(sha256(b"boot key").digest()),
            b"\x01\x01\xff",
            b"\x0a\x01\x00",
            _octets(sha256(b"boot hash").digest()),
        )
        software = {701: _integer(int(self._now * 1000)), 709: _octets(application)}
        hardware = {
            1: _set(_integer(2), _integer(3)),
            2: _integer(3),
            3: _integer(256),
            5: _set(_integer(4)),
            10: _integer(1),
            503: _NULL,
            702: _integer(0),
            704: boot,
            705: _integer(160_000),
            706: _integer(patch),
            718: _integer(patch * 100 + 5),
            719: _integer(patch * 100 + 5),
        }
        level = b"\x0a\x01" + bytes((_TEE,))
        return _sequence(
            _integer(300),
            level,
            _integer(300),
            level,
            _octets(challenge),
            _octets(b""),
            *map(_tagged, (software, hardware)),
        )


def _factory_name(serial: str) -> x509.Name:
    serial_number = x509.NameAttribute(NameOID.SERIAL_NUMBER, serial)
    return x509.Name([serial_number, x509.NameAttribute(NameOID.TITLE, "TEE")])


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    now: float,
    *,
    ca: bool = False,
    description: bytes | None = None,
) -> x509.Certificate:
    moment = datetime.fromtimestamp(int(now), UTC)
    usage = x509.KeyUsage(not ca, False, False, False, False, ca, False, False, False)
    draft = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number() if ca else 1)
        .not_valid_before(moment - timedelta(days=1))
        .not_valid_after(moment + _YEARS)
        .add_extension(usage, critical=True)
    )
    if ca:
        draft = draft.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    if description is not None:
        draft = draft.add_extension(x509.UnrecognizedExtension(_KEY_DESCRIPTION, description), critical=False)
    return draft.sign(issuer_key, hashes.SHA256())


def _tlv(tag: bytes, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return tag + bytes((length,)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return tag + bytes((0x80 | len(octets),)) + octets + content


def _sequence(*content: bytes) -> bytes:
    return _tlv(b"\x30", b"".join(content))


def _set(*content: bytes) -> bytes:
    return _tlv(b"\x31", b"".join(content))


def _octets(data: bytes) -> bytes:
    return _tlv(b"\x04", data)


def _integer(value: int) -> bytes:
    return _tlv(b"\x02", value.to_bytes(value.bit_length() // 8 + 1))


def _tagged(authorizations: Mapping[int, bytes]) -> bytes:
    """An AuthorizationList: explicit context tags, those over 30 in the long form (X.690 §8.1.2.4)."""
    return _sequence(*(_tlv(_context_tag(number), inner) for number, inner in authorizations.items()))


def _context_tag(number: int) -> bytes:
    return bytes((0xA0 | number,)) if number < 31 else bytes((0xBF, 0x80 | number >> 7, number & 0x7F))
