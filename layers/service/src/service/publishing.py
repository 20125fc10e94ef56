"""Publishing: the next trust bundle, signed by the root key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from attestation.route_requirement import RouteRequirement
from attestation.trust_bundle import AppStanding, TrustBundle, open_trust_bundle, sign_trust_bundle

from .errors import Unavailable
from .kms import RootKey
from .signing_keys import Purpose, SigningKeys, newest_first
from .trust_bundles import StoredBundle, TrustBundles

ATTEMPTS: Final = 5
"""How often publishing yields to somebody who took the version first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Publishes trust bundles of one ``issuer``, each good for ``lifetime`` seconds."""

    issuer: str
    lifetime: float
    signing_keys: SigningKeys
    trust_bundles: TrustBundles
    root_key: RootKey

    def publish(self, routes: Mapping[str, tuple[RouteRequirement, ...]], *, now: float) -> TrustBundle:
        """Publish version + 1: all token keys in force, ``routes`` by audience, everything else as it was.

        Raises :class:`~service.errors.Unavailable`; a caller then announces nothing.
        """
        for _ in range(ATTEMPTS):
            # The version is read before the keys: whoever publishes in between takes the version, so a bundle can
            # never be newer by number and older by content.
            latest = self.trust_bundles.latest(self.issuer)
            apps, apis = self._carried_over(latest)
            rows = newest_first(self.signing_keys.all(), Purpose.TOKEN)
            bundle = TrustBundle(
                issuer=self.issuer,
                version=latest.version + 1 if latest else 1,
                issued_at=int(now),
                expires_at=int(now + self.lifetime),
                keys={row.kid: row.public_key() for row in rows if not row.is_retired(now)},
                apps=apps,
                apis={**apis, **routes},
            )
            if self.trust_bundles.add(bundle, sign_trust_bundle(bundle, sign=self.root_key.sign)):
                return bundle
        raise Unavailable(f"{ATTEMPTS} publishers were faster")

    def _carried_over(
        self, latest: StoredBundle | None
    ) -> tuple[Mapping[str, AppStanding], Mapping[str, tuple[RouteRequirement, ...]]]:
        """Revocations and routes of the bundle before, which must survive a rotation. Its signature is checked: what
        somebody wrote into the table must not be signed into the next bundle."""
        if latest is None:
            return {}, {}
        before = open_trust_bundle(
            latest.jws, root_key=self.root_key.public_key(), issuer=self.issuer, now=latest.issued_at
        )
        return before.apps, before.apis
