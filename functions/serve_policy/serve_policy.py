"""Signed documents: GET /v1/client-policies/{app}, /v1/root-sets/{version}, /v1/trust-bundle, /.well-known/jwks.json.

They are served as they were published. The trust bundle, the keys and the root sets are public; the client policy is
that of the install that asks, because a rollout reaches some installs before others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator
from service.aws import dynamodb
from service.edge.entity_tags import entity_tag
from service.edge.gateway import RequestModel
from service.edge.http import Document, Wiring, address, endpoint
from service.edge.request_fields import App
from service.errors import NoClientPolicy, NoRootSet, Reason, Rejected, Unavailable
from service.policies.client_policy import ServedClientPolicies
from service.policies.store import DynamoDBPolicies
from service.roots.root_sets_table import DynamoDBRootSets, ServedRootSets
from service.settings import ServePolicySettings, read_settings
from service.tables.apps import Apps, DynamoDBApps
from service.tables.trust_bundles import DynamoDBTrustBundles, RememberedTrustBundles

CLIENT_POLICY: Final = "/v1/client-policies/{app}"
ROOT_SET: Final = "/v1/root-sets/{version}"
YEAR: Final = 365 * 86_400

Install = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
"""An install: its key_id, or a hash that names it before it has a key."""


class ClientPolicyOf(RequestModel):
    """Whose client policy."""

    app: App
    install: Install


class RootSetOf(RequestModel):
    """The transition to which root set: a number in its one spelling, so that a document has one address."""

    version: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}$")]


class DocumentRequest(RequestModel):
    """Which document."""

    document: Literal["/v1/trust-bundle", "/.well-known/jwks.json"] | ClientPolicyOf | RootSetOf

    @model_validator(mode="before")
    @classmethod
    def _at(cls, address: Mapping[str, Any]) -> object:
        """By the route and not by the path, which begins with the mapping where a custom domain has one."""
        if address["route"] == ROOT_SET:
            return {"document": address["path_members"]}
        if address["route"] != CLIENT_POLICY:
            return {"document": address["route"]}
        install = {name: text for name, text in address["query"].items() if name == "install"}
        return {"document": {**address["path_members"], **install}}


def serve(
    request: DocumentRequest,
    *,
    client_policies: ServedClientPolicies,
    apps: Apps,
    trust_bundles: RememberedTrustBundles,
    root_sets: ServedRootSets,
    issuer: str,
    now: float,
) -> Document:
    """The document as of now.

    Raises :class:`~service.errors.NoClientPolicy`, :class:`~service.errors.NoRootSet`, ``app-unknown``, and
    :class:`~service.errors.Unavailable`, also when there is no valid bundle: an expired one is of no use.
    """
    if isinstance(request.document, ClientPolicyOf):
        return _client_policy(request.document, client_policies, apps, now)
    if isinstance(request.document, RootSetOf):
        return _root_set(int(request.document.version), root_sets, now)
    latest = trust_bundles.latest(issuer, now)
    if latest is None or latest.expires_at <= now:
        raise Unavailable("no valid trust bundle")
    # An edge that reaches neither bucket nor API goes on with what it has, as an authorizer would.
    valid = int(latest.expires_at - now)
    # An authorizer asks every few seconds; others may keep the keys a little longer.
    if request.document == "/v1/trust-bundle":
        return Document(latest.jws, "application/jwt", entity_tag(latest.jws), max_age=2, stale_if_error=valid)
    # Half of what passes between announcing a key and signing with it.
    return Document(latest.jwks, "application/json", entity_tag(latest.jwks), max_age=30, stale_if_error=valid)


def _client_policy(of: ClientPolicyOf, client_policies: ServedClientPolicies, apps: Apps, now: float) -> Document:
    served = client_policies.served(of.app, of.install, now)
    if served is None:
        # An app that has a policy is registered, so only the others are looked up.
        if apps.find(of.app) is None:
            raise Rejected(Reason.APP_UNKNOWN, "no such app is registered")
        raise NoClientPolicy
    return Document(
        served.jws,
        "application/jwt",
        entity_tag(served.jws),
        # An app asks because another answer told it of a newer version: a copy that is still fresh by the clock, in the
        # HTTP cache of its own platform, would be the very one that it wants to replace. Asking again costs a 304.
        max_age=0,
        private=True,
        client_policy_version=served.version,
    )


def _root_set(version: int, root_sets: ServedRootSets, now: float) -> Document:
    jws = root_sets.served(version, now)
    if not jws:
        raise NoRootSet
    return Document(jws, "application/jose", entity_tag(jws), max_age=YEAR, stale_if_error=YEAR)  # it never changes


def wire(env: Mapping[str, str]) -> Wiring:
    """The collaborators, from the environment."""
    settings = read_settings(ServePolicySettings, env)
    table = DynamoDBTrustBundles(dynamodb(), settings.trust_bundles_table)
    return Wiring(
        collaborators={
            "client_policies": ServedClientPolicies(DynamoDBPolicies(dynamodb(), settings.policies_table)),
            "apps": DynamoDBApps(dynamodb(), settings.apps_table),
            "trust_bundles": RememberedTrustBundles(table),
            "root_sets": ServedRootSets(DynamoDBRootSets(dynamodb(), settings.policies_table)),
            "issuer": settings.token_issuer,
        },
        allowed_origin=settings.allowed_origin,
    )


handler = endpoint(DocumentRequest, serve, wire, members=address)
