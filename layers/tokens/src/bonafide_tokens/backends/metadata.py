"""What an API publishes of how to call it: protected resource metadata (RFC 9728), with what
draft-ietf-oauth-attestation-based-client-auth-10 adds.

``GuardedASGI(app, guard, metadata=metadata_of(guard.settings))`` serves it to all, and WSGI's likewise. Challenges have
no endpoint: they come with answers, in ``OAuth-Client-Attestation-Challenge``.
"""

from __future__ import annotations

from json import dumps
from typing import Final, NamedTuple

from bonafide_tokens.backends.guard import Answer
from bonafide_tokens.gate.settings import GateSettings, SettingsError
from bonafide_tokens.proof import normal_target

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
_ALGORITHMS: Final = ["ES256"]


class Metadata(NamedTuple):
    """The document, and the path at the root of the resource's origin where clients look for it (RFC 9728 §3.1)."""

    path: str
    document: dict[str, object]

    def answer(self, method: str, path: str) -> Answer | None:
        """What a request is answered with; ``None`` for one that asks for something else."""
        if method not in ("GET", "HEAD") or path != self.path:
            return None
        headers = (("Content-Type", "application/json"), ("Cache-Control", "public, max-age=3600"))
        return Answer(None, 200, headers, dumps(self.document).encode())


def metadata_of(settings: GateSettings) -> Metadata:
    """The metadata of the API that ``settings`` are for. Raises :class:`SettingsError` where AUDIENCE is no https URL:
    it is the resource's identifier, and clients compare it with where they found the document."""
    target = normal_target(settings.audience)
    if target is None or target[0] != "https" or any(mark in settings.audience for mark in "?#"):
        raise SettingsError("AUDIENCE must be an https URL without query, as https://api.example.com, to be published")
    path = target[3]
    document: dict[str, object] = {
        "resource": settings.audience,
        "bearer_methods_supported": [],
        "client_attestation_signing_alg_values_supported": _ALGORITHMS,
        "client_attestation_pop_methods_supported": ["dpop_combined"],
        "dpop_signing_alg_values_supported": _ALGORITHMS,
    }
    if settings.pop_header:
        document["client_attestation_pop_methods_supported"] = ["attestation_pop_jwt", "dpop_combined"]
        document["client_attestation_pop_signing_alg_values_supported"] = _ALGORITHMS
    return Metadata(WELL_KNOWN + ("" if path == "/" else path), document)
