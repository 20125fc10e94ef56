"""One installation of an app: its attested key, its request key, and the request bodies it would send.

What Bonafide's SDK does inside a real app. The bodies are complete: they can be sent by anything that speaks HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from bonafide_tokens.jose import b64url_encode
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.app_instance import AppInstance
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.authority.certificate_template import new_private_key


@dataclass(slots=True, kw_only=True)
class Installation(AppInstance):
    """The app on ``phone``. ``key_id`` is Apple's text for the attested key."""

    phone: SoftwareIphone
    key_id: str

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
    def platform(self) -> str:
        return "macos" if self.phone.generation.name.startswith("macos") else "ios"

    def attestation_body(self, client_data: bytes, attestation_object: bytes | None = None) -> dict[str, Any]:
        """The body of POST /v1/attestations."""
        if attestation_object is None:
            attestation_object = self.phone.attest_key(self.key_id, sha256(client_data).digest())
        evidence = {
            "format": "apple-app-attest",
            "attestation_object": b64url_encode(attestation_object),
            "key_id": self.bonafide_key_id,
        }
        return {"app": self.app, "client_data": b64url_encode(client_data), "evidence": [evidence]}

    def renewal_body(self, client_data: bytes, assertion: bytes | None = None) -> dict[str, Any]:
        """The body of POST /v1/tokens."""
        if assertion is None:
            assertion = self.phone.generate_assertion(self.key_id, sha256(client_data).digest())
        evidence = {"format": "apple-app-attest-assertion", "assertion": b64url_encode(assertion)}
        return {
            "key_id": self.bonafide_key_id,
            "client_data": b64url_encode(client_data),
            "evidence": [evidence],
        }

    def _facts(self) -> dict[str, str | None]:
        generation = self.phone.generation
        return {"app_build": self.phone.bundle_version, "os": generation.os, "model": generation.model}

    def _measurements(self) -> dict[str, str]:
        return {"executable": sha256(self.phone.app_id.encode("utf-8")).hexdigest()}

    def _now(self) -> float:
        return self.phone.clock()


def encode_body(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode("utf-8")
