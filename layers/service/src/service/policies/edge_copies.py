"""What a stack has at its edge: the trust bundle as it was published, and client policies for when the API is lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from service.aws import dynamodb, s3
from service.keys.edge_documents import EdgeDocuments
from service.policies.store import DynamoDBPolicies, PolicyHeads
from service.settings import PublishingSettings
from service.tables.apps import AppNames, DynamoDBApps
from service.tables.trust_bundles import DynamoDBTrustBundles, TrustBundles

CLIENT_POLICIES: Final = "v1/client-policies"


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeCopies:
    """Copies from the tables of one ``issuer`` to the ``edge``. What was copied before is left as it is: both methods
    may be repeated, and raise :class:`~service.errors.Unavailable`."""

    edge: EdgeDocuments
    issuer: str
    trust_bundles: TrustBundles
    apps: AppNames
    policies: PolicyHeads

    def copy(self, *, in_a_hurry: bool = False) -> None:
        """Copy what was published. A publication in a hurry is about blocked keys, which no client policy names."""
        self.copy_bundle()
        if not in_a_hurry:
            self.copy_client_policies()

    def copy_bundle(self) -> None:
        """Copy the latest trust bundle: after each publication, or those who ask at the edge go by the one before."""
        latest = self.trust_bundles.latest(self.issuer)
        if latest is not None:
            self.edge.put_bundle(latest)

    def copy_client_policies(self) -> None:
        """Copy each app's client policy: the version that is active for all installs outside a rollout.

        The API knows rollouts and is asked first, so a copy may lag; apps keep a newer one that they have.
        """
        for app in self.apps.names():
            head = self.policies.head(app)
            version = head.stable
            stored = self.policies.find(app, version) if version else None
            if stored is not None and stored.has_client:
                self.edge.put_version(f"{CLIENT_POLICIES}/{app}", stored.client_jws, version, head.resigned or 0)


def wire_edge(settings: PublishingSettings) -> EdgeCopies | None:
    """What copies to the edge; ``None`` for a stack without one."""
    if not settings.edge_bucket:
        return None
    return EdgeCopies(
        edge=EdgeDocuments(s3(), settings.edge_bucket),
        issuer=settings.token_issuer,
        trust_bundles=DynamoDBTrustBundles(dynamodb(), settings.trust_bundles_table),
        apps=DynamoDBApps(dynamodb(), settings.apps_table),
        policies=DynamoDBPolicies(dynamodb(), settings.policies_table),
    )
