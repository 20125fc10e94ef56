"""GET /v1/trust-bundle and GET /.well-known/jwks.json: both from the latest published trust bundle."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Literal

from service.aws import dynamodb
from service.errors import Unavailable
from service.http import Document, RequestModel, Wiring, endpoint, path_member
from service.settings import ServePolicySettings, read_settings
from service.trust_bundles import DynamoDBTrustBundles, RememberedTrustBundles


class DocumentRequest(RequestModel):
    """Which document."""

    path: Literal["/v1/trust-bundle", "/.well-known/jwks.json"]


def serve(request: DocumentRequest, *, trust_bundles: RememberedTrustBundles, issuer: str, now: float) -> Document:
    """The document as of now. An authorizer asks every few seconds; others may keep the keys a little longer.

    Raises :class:`~service.errors.Unavailable` when there is no bundle in force: an expired one helps nobody.
    """
    latest = trust_bundles.latest(issuer, now)
    if latest is None or latest.expires_at <= now:
        raise Unavailable("no trust bundle in force")
    if request.path == "/v1/trust-bundle":
        return Document(latest.jws, "application/jwt", _etag(latest.jws), max_age=2)
    # Half of what passes between announcing a key and signing with it.
    return Document(latest.jwks, "application/json", _etag(latest.jwks), max_age=30)


def _etag(content: str) -> str:
    return f'"{sha256(content.encode("utf-8")).hexdigest()[:32]}"'


def wire(env: Mapping[str, str]) -> Wiring:
    """The collaborators, from the environment."""
    settings = read_settings(ServePolicySettings, env)
    table = DynamoDBTrustBundles(dynamodb(), settings.trust_bundles_table)
    return Wiring(
        collaborators={"trust_bundles": RememberedTrustBundles(table), "issuer": settings.token_issuer},
        allowed_origin=settings.allowed_origin,
    )


handler = endpoint(DocumentRequest, serve, wire, members=path_member)
