"""An app where no hardware vouches for it (an emulator, a device cloud, a CI job): a pass stands in for that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import time
from typing import Any

from attestation.claims import key_id_of
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signing import es256_from_der
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.app_instance import AppInstance


@dataclass(slots=True, kw_only=True)
class PassInstallation(AppInstance):
    """One key for everything, in software. ``shown`` is what it shows in the place of evidence: the member ``pass`` or
    ``id_token``."""

    of_platform: str
    build: str = "1"
    shown: tuple[str, str] = ("pass", "")

    @property
    def bonafide_key_id(self) -> str:
        return key_id_of(self.request_public_key.point)

    @property
    def platform(self) -> str:
        return self.of_platform

    def attestation_body(self, client_data: bytes) -> dict[str, Any]:
        member, text = self.shown
        proof = {"format": "development-pass", member: text, "signature": self._signed(client_data)}
        return {"app": self.app, "client_data": b64url_encode(client_data), "evidence": [proof]}

    def renewal_body(self, client_data: bytes) -> dict[str, Any]:
        return {
            "key_id": self.bonafide_key_id,
            "client_data": b64url_encode(client_data),
            "evidence": [{"format": "key-signature", "signature": self._signed(client_data)}],
        }

    def _signed(self, client_data: bytes) -> str:
        signature = self.request_key.sign(client_data, ec.ECDSA(hashes.SHA256()))
        return b64url_encode(es256_from_der(signature))

    def _facts(self) -> Mapping[str, str | None]:
        return {"app_build": self.build, "os": f"{self.of_platform} emulator", "model": "emulator"}

    def _now(self) -> float:
        return time()
