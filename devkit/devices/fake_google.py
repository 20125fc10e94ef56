"""What stands for Google's servers: the status list of revoked keys, and Play Integrity's console, service and API.

All of it follows from the device authority's root, so the phones of one process and a server of another are of one
mind without talking to each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from attestation.encoding.jose import b64url_decode, b64url_encode
from attestation.errors import AttestationError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from devkit.devices.android.play_integrity import ResponseKeys
from devkit.devices.authority.android import FACTORY, RKP, AndroidAuthority, Line

REVOKED_BATCH: Final = 13
"""The number of the factory batch, and of the remotely provisioned device, that Google's list names from the start."""

_NONCE: Final = 12


@dataclass(frozen=True, slots=True)
class SoftwareGoogle:
    """Google, as far as attestation goes. ``decoded`` are the standard tokens that were sent to its API."""

    authority: AndroidAuthority
    decoded: set[bytes] = field(default_factory=set)

    def status_list(self) -> dict[str, Any]:
        """The list as it is served: a factory batch revoked, a remotely provisioned device suspended."""
        factory, rkp = self.revoked_line(FACTORY, now=0.0), self.revoked_line(RKP, now=0.0)
        return {
            "entries": {
                f"{factory.batch.template.serial:x}": {"status": "REVOKED", "reason": "KEY_COMPROMISE"},
                f"{rkp.batch.template.serial:x}": {"status": "SUSPENDED", "reason": "SOFTWARE_FLAW"},
            }
        }

    def revoked_line(self, provisioning: str, *, now: float) -> Line:
        """The issuers of a phone whose keys the list names."""
        if provisioning == FACTORY:
            return self.authority.factory_line(number=REVOKED_BATCH)
        return self.authority.rkp_line(now=now, number=REVOKED_BATCH)

    def response_keys(self, package: str) -> ResponseKeys:
        """The response keys of an app whose owner downloads them from the console."""
        return ResponseKeys.create(self.authority.drawn(f"play response keys of {package}"))

    def standard_token(self, verdict: Mapping[str, object]) -> str:
        """An opaque token: only this API opens it."""
        plain = json.dumps(verdict, separators=(",", ":")).encode("utf-8")
        # From the content, so that no chance is needed; a token's nonce is never used for another content.
        nonce = sha256(b"nonce" + plain).digest()[:_NONCE]
        return b64url_encode(nonce + self._sealing().encrypt(nonce, plain, None))

    def decode(self, token: str, package: str) -> dict[str, Any] | None:
        """``tokenPayloadExternal`` of a standard token for ``package``; ``None`` for a token that is not one.

        A token that is decoded again has its verdicts blanked, as Google does against replay.
        """
        try:
            sealed = b64url_decode(token)
            verdict: dict[str, Any] = json.loads(self._sealing().decrypt(sealed[:_NONCE], sealed[_NONCE:], None))
        except (AttestationError, InvalidTag, ValueError):
            return None
        if verdict.get("requestDetails", {}).get("requestPackageName") != package:
            return None
        digest = sha256(sealed).digest()
        if digest in self.decoded:
            return {
                "requestDetails": verdict["requestDetails"],
                "appIntegrity": {"appRecognitionVerdict": "UNEVALUATED"},
                "deviceIntegrity": {},
                "accountDetails": {"appLicensingVerdict": "UNEVALUATED"},
            }
        self.decoded.add(digest)
        return verdict

    def _sealing(self) -> AESGCM:
        return AESGCM(self.authority.drawn("play standard tokens")(32))
