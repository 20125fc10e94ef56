"""SysIntegrity tokens as drafts: header, payload, signer and certificates open to change before they are sealed."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signing import es256_from_der
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15

from devkit.devices.authority.certificate_template import IssuerKey

_SHA256: Final = hashes.SHA256()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDraft:
    """A token before it is sealed.

    ``certificates`` go into ``x5c``, leaf first. ``header_json`` and ``payload_json`` take the place of what a JSON
    writer would make of ``header`` and ``payload``.
    """

    algorithm: str
    certificates: tuple[bytes, ...]
    payload: Mapping[str, object]
    key: IssuerKey
    header: Mapping[str, object] | None = None
    header_json: bytes | None = None
    payload_json: bytes | None = None

    def with_payload(self, **members: object) -> TokenDraft:
        """The same with other payload members; ``None`` leaves one out."""
        merged = {**self.payload, **members}
        return replace(self, payload={name: value for name, value in merged.items() if value is not None})

    def seal(self) -> str:
        """The compact JWS."""
        x5c = [base64.b64encode(certificate).decode("ascii") for certificate in self.certificates]
        header = self.header_json or _json({"alg": self.algorithm, "x5c": x5c} | dict(self.header or {}))
        text = f"{b64url_encode(header)}.{b64url_encode(self.payload_json or _json(self.payload))}"
        return f"{text}.{b64url_encode(self._sign(text.encode('ascii')))}"

    def _sign(self, message: bytes) -> bytes:
        """A signature by the key that is there; ``PS256`` alone is asked of an RSA key by name."""
        if self.algorithm == "none":
            return b""
        if isinstance(self.key, rsa.RSAPrivateKey):
            pss = PSS(mgf=MGF1(_SHA256), salt_length=PSS.DIGEST_LENGTH)
            return self.key.sign(message, pss if self.algorithm == "PS256" else PKCS1v15(), _SHA256)
        return es256_from_der(self.key.sign(message, ec.ECDSA(_SHA256, deterministic_signing=True)))


def _json(members: Mapping[str, object]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode("utf-8")
