"""One installation of an app: its attested key, its request key, and the request bodies it would send.

What Bonafide's SDK does inside a real app. The bodies are complete: they can be sent by anything that speaks HTTP.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from bonafide_tokens.jose import EcPublicKey, b64url_encode, public_key_from_point
from bonafide_tokens.signing import make_proof
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.apple.app_attestation import point_of
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.authority.certificate_template import new_private_key
from devkit.devices.policy_keeper import PolicyKeeper


@dataclass(slots=True, kw_only=True)
class Installation:
    """``app`` (the registered name) on ``phone``. ``key_id`` is Apple's text for the attested key."""

    app: str
    phone: SoftwareIphone
    key_id: str
    request_key: ec.EllipticCurvePrivateKey
    policy: PolicyKeeper | None = None

    @classmethod
    def fresh(cls, app: str, phone: SoftwareIphone) -> Installation:
        """A first start after installing: two new keys."""
        return cls(
            app=app,
            phone=phone,
            key_id=phone.generate_key(),
            request_key=new_private_key(ec.SECP256R1(), phone.random),
        )

    @property
    def bonafide_key_id(self) -> str:
        """The attested key's name in Bonafide: the same 32 bytes as Apple's, in unpadded base64url."""
        return b64url_encode(self.phone.keys[self.key_id].identifier)

    @property
    def app_build(self) -> str | None:
        return self.phone.bundle_version

    @property
    def platform(self) -> str:
        return "macos" if self.phone.generation.name.startswith("macos") else "ios"

    @property
    def request_public_key(self) -> EcPublicKey:
        return public_key_from_point(point_of(self.request_key.public_key()))

    def client_data(self, challenge: str, *, signals: Sequence[object] = (), **more: object) -> bytes:
        """The exact bytes that evidence binds. ``more`` adds or replaces members."""
        generation = self.phone.generation
        members: dict[str, object] = {
            "challenge": challenge,
            "request_key": self.request_public_key.to_jwk(),
            "app_build": self.phone.bundle_version,
            "os": generation.os,
            "model": generation.model,
            "measurements": {"executable": sha256(self.phone.app_id.encode("utf-8")).hexdigest()},
            "signals": list(signals),
            "client_policy_version": 0 if self.policy is None else self.policy.version,
        }
        return json.dumps(members | more, separators=(",", ":")).encode("utf-8")

    def attestation_body(self, client_data: bytes, attestation_object: bytes | None = None) -> dict[str, object]:
        """The body of POST /v1/attestations."""
        if attestation_object is None:
            attestation_object = self.phone.attest_key(self.key_id, sha256(client_data).digest())
        evidence = {
            "format": "apple-app-attest",
            "attestation_object": b64url_encode(attestation_object),
            "key_id": self.bonafide_key_id,
        }
        return {"app": self.app, "client_data": b64url_encode(client_data), "evidence": [evidence]}

    def renewal_body(self, client_data: bytes, assertion: bytes | None = None) -> dict[str, object]:
        """The body of POST /v1/tokens."""
        if assertion is None:
            assertion = self.phone.generate_assertion(self.key_id, sha256(client_data).digest())
        evidence = {"format": "apple-app-attest-assertion", "assertion": b64url_encode(assertion)}
        return {
            "key_id": self.bonafide_key_id,
            "client_data": b64url_encode(client_data),
            "evidence": [evidence],
        }

    def proof(self, *, method: str, url: str, token: str, content_digest: str | None = None) -> str:
        """A proof (RFC 9449) for one request, signed by the request key; with its body's digest, for the body too."""
        return make_proof(
            self.request_key,
            method=method,
            url=url,
            token=token,
            jti=b64url_encode(secrets.token_bytes(16)),
            now=self.phone.clock(),
            content_digest=content_digest,
        )


def encode_body(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode("utf-8")
