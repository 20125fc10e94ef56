"""What every installation of an app can do, whatever the platform: say its client data, prove itself, sign requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from bonafide_tokens.jose import EcPublicKey

from devkit.devices.policy_keeper import PolicyKeeper


class AppInstance(Protocol):
    """One installation. Bodies are complete: anything that speaks HTTP can send them."""

    app: str
    policy: PolicyKeeper | None
    """Its client policy; ``None`` for an app that was built without."""

    @property
    def bonafide_key_id(self) -> str:
        """The attested key's name in Bonafide."""

    @property
    def request_public_key(self) -> EcPublicKey: ...

    @property
    def app_build(self) -> str | None:
        """The build that the app says it is."""

    @property
    def platform(self) -> str:
        """The platform as tokens name it."""

    def client_data(self, challenge: str, *, signals: Sequence[object] = (), **more: object) -> bytes:
        """The exact bytes that evidence binds. ``more`` adds or replaces members."""

    def attestation_body(self, client_data: bytes) -> dict[str, Any]:
        """The body of POST /v1/attestations."""

    def renewal_body(self, client_data: bytes) -> dict[str, Any]:
        """The body of POST /v1/tokens."""

    def proof(self, *, method: str, url: str, token: str, content_digest: str | None = None) -> str:
        """A proof (RFC 9449) for one request, signed by the request key; with its body's digest, for the body too."""
