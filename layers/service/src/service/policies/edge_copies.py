"""What a stack has at its edge: the trust bundle as it was published, and client policies for when the API is lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from service.keys.edge_documents import EdgeDocuments
from service.policies.store import PolicyHeads
from service.tables.apps import AppNames
from service.tables.trust_bundles import TrustBundles

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
            version = self.policies.head(app).stable
            stored = self.policies.find(app, version) if version else None
            if stored is not None and stored.has_client:
                self.edge.put_version(f"{CLIENT_POLICIES}/{app}", stored.client_jws, version)
