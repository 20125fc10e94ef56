"""What every installation of an app can do, whatever the platform: say its client data, prove itself, sign requests."""

from __future__ import annotations

import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bonafide_tokens.jose import EcPublicKey, b64url_encode
from bonafide_tokens.signatures.making import sign_request
from bonafide_tokens.signing import make_proof, public_key_of
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.policy_keeper import PolicyKeeper


@dataclass(slots=True, kw_only=True)
class AppInstance(ABC):
    """One installation of ``app`` (the registered name). Bodies are complete: anything that speaks HTTP can send them.

    ``policy`` is its client policy; ``None`` for an app that was built without. ``cannot_attest`` is a code of
    docs/attestation-failures.json for a device that has no evidence to give, empty for one that has; it says so, unless
    it is ``silent``. ``sealing_key`` opens its secrets; ``None`` for an app that has none.
    """

    app: str
    request_key: ec.EllipticCurvePrivateKey
    policy: PolicyKeeper | None = None
    cannot_attest: str = ""
    silent: bool = False
    sealing_key: ec.EllipticCurvePrivateKey | None = None

    @property
    @abstractmethod
    def bonafide_key_id(self) -> str:
        """The attested key's name in Bonafide."""

    @property
    def request_public_key(self) -> EcPublicKey:
        return public_key_of(self.request_key)

    @property
    def app_build(self) -> str | None:
        """The build that the app says it is."""
        return self._facts()["app_build"]

    @property
    @abstractmethod
    def platform(self) -> str:
        """The platform that claims and tokens name."""

    def make_sealing_key(self) -> EcPublicKey:
        """Make the agreement key that secrets are sealed to; the next attestation or renewal endorses it."""
        self.sealing_key = ec.generate_private_key(ec.SECP256R1())
        return public_key_of(self.sealing_key)

    @property
    def sealing_key_thumbprint(self) -> str:
        """The sealing key's RFC 7638 thumbprint; that of no key where there is none."""
        return "A" * 43 if self.sealing_key is None else public_key_of(self.sealing_key).thumbprint()

    def client_data(self, challenge: str, *, signals: Sequence[object] = (), **more: object) -> bytes:
        """The exact bytes that evidence binds. ``more`` adds or replaces members."""
        members: dict[str, object] = {
            "challenge": challenge,
            "request_key": self.request_public_key.to_jwk(),
            **self._facts(),
            "measurements": self._measurements(),
            "signals": list(signals),
            "client_policy_version": 0 if self.policy is None else self.policy.version,
        }
        if self.sealing_key is not None and self._names_sealing_key():
            members["sealing_key"] = public_key_of(self.sealing_key).to_jwk()
        return json.dumps(members | more, separators=(",", ":")).encode("utf-8")

    def failure_body(self, code: str) -> dict[str, Any]:
        """The body of POST /v1/attestation-failures."""
        said = {name: text for name, text in self._facts().items() if text is not None}
        return {"app": self.app, "code": code, "platform": self.platform, **said}

    @abstractmethod
    def attestation_body(self, client_data: bytes) -> dict[str, Any]:
        """The body of POST /v1/attestations."""

    @abstractmethod
    def renewal_body(self, client_data: bytes) -> dict[str, Any]:
        """The body of POST /v1/tokens."""

    def proof(self, *, method: str, url: str, token: str, content_digest: str | None = None) -> str:
        """A proof (RFC 9449) for one request, signed by the request key; with its body's digest, for the body too."""
        return make_proof(
            self.request_key,
            method=method,
            url=url,
            token=token,
            jti=b64url_encode(secrets.token_bytes(16)),
            now=self._now(),
            content_digest=content_digest,
        )

    def signed_headers(
        self, *, method: str, url: str, token: str, token_header: str, content_digest: str | None = None
    ) -> dict[str, str]:
        """The headers of a signature (RFC 9421) over one request with its query, parameter by parameter, which every
        gateway can rebuild."""
        query = urlsplit(url).query
        return sign_request(
            self.request_key,
            method=method,
            url=url,
            headers={token_header: token},
            nonce=b64url_encode(secrets.token_bytes(16)),
            now=self._now(),
            content_digest=content_digest,
            by_parameter=[name for name, _ in parse_qsl(query, keep_blank_values=True)],
        )

    @abstractmethod
    def _facts(self) -> Mapping[str, str | None]:
        """Client data's ``app_build``, ``os`` and ``model``."""

    def _names_sealing_key(self) -> bool:
        """Whether client data names the sealing key: not where its own attestation does."""
        return True

    def _measurements(self) -> dict[str, str]:
        """Client data's ``measurements``."""
        return {}

    @abstractmethod
    def _now(self) -> float:
        """The device's clock, Unix seconds."""
