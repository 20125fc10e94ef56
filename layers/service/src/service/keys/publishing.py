"""Publishing: the next trust bundle, signed by the root key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bonafide_tokens.errors import TokenError
from bonafide_tokens.jose import EcPublicKey
from bonafide_tokens.routes import RouteRequirement
from bonafide_tokens.signing import sign_trust_bundle
from bonafide_tokens.trust_bundle import MAX_TRUST_BUNDLE_CHARACTERS, AppStatus, TrustBundle, open_trust_bundle

from service.aws import dynamodb, kms
from service.errors import Unavailable
from service.fallback_modes import PassMode
from service.keys.carried_keys import carried_keys
from service.keys.carried_pacing import never_revived
from service.keys.kms import KmsRootKey, RootKey
from service.regions.homes import ONE_REGION, Homes
from service.settings import PublishingSettings
from service.tables.revocations import MAX_LISTED, Revocations
from service.tables.routes import Apis, DynamoDBApis
from service.tables.signing_keys import DynamoDBSigningKeys, Purpose, SigningKeys, newest_first
from service.tables.trust_bundles import DynamoDBTrustBundles, StoredBundle, TrustBundles
from service.telemetry.decisions import count, logger

ATTEMPTS: Final = 5
"""How often publishing yields to a process that took the version first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Publishes trust bundles of one ``issuer``, each good for ``lifetime`` seconds.

    ``routes`` are those of APIs, by audience, that the apis table does not have. ``environment`` is ``test`` where
    tokens of test passes count. ``foreign_keys`` has other products' key sets, after the bundle before
    (:mod:`service.keys.foreign_feeds`).
    """

    issuer: str
    lifetime: float
    signing_keys: SigningKeys
    trust_bundles: TrustBundles
    apis: Apis
    revocations: Revocations
    root_key: RootKey
    routes: Mapping[str, tuple[RouteRequirement, ...]] = field(default_factory=dict)
    environment: str = ""
    foreign_keys: Callable[[StoredBundle | None], Mapping[str, object]] | None = None
    homes: Homes = ONE_REGION

    def publish(self, *, now: float) -> TrustBundle:
        """Publish version + 1: all current token keys, what was revoked, and the routes of every API.

        Raises :class:`~service.errors.Unavailable`, also for a stack that has no key yet; a caller then announces
        nothing.
        """
        for _ in range(ATTEMPTS):
            # The version is read before everything else: a publication in between takes the version, so a bundle
            # can never be newer by number and older by content.
            latest = self.trust_bundles.latest(self.issuer)
            bundle, text = self._fitting(self._next(latest, now), latest, now)
            if self.trust_bundles.add(bundle, text):
                return bundle
        raise Unavailable(f"{ATTEMPTS} publishers were faster")

    def has_changed(self, *, now: float) -> bool:
        """Whether the latest bundle is not what the tables say: what other regions change reaches the tables without a
        word to this one. Raises :class:`~service.errors.Unavailable`."""
        latest = self.trust_bundles.latest(self.issuer)
        if latest is None:
            return True
        following = self._next(latest, now)._replace(apps=never_revived(self.revocations.statuses(now), latest))
        try:
            root = self.root_key.public_key()
            known = open_trust_bundle(latest.jws, root_keys=[root], issuer=self.issuer, now=float(latest.issued_at))
        except TokenError:
            return True  # by a root of before: it is signed anew
        return (
            following._replace(version=known.version, issued_at=known.issued_at, expires_at=known.expires_at) != known
        )

    def _next(self, latest: StoredBundle | None, now: float) -> TrustBundle:
        """What follows ``latest``, without revocations."""
        found = self.signing_keys.contents()
        rows = newest_first(found.keys, Purpose.TOKEN)
        if not rows:
            raise Unavailable("there is no token key to publish yet")
        view = self.homes.view(found.documents, None)
        return TrustBundle(
            issuer=self.issuer,
            version=latest.version + 1 if latest else 1,
            issued_at=int(now),
            expires_at=int(now + self.lifetime),
            keys={row.kid: row.public_key() for row in rows if not row.is_retired(now) and view.mints(row.region, now)},
            apps={},
            apis={**self.routes, **self.apis.all()},
            environment=self.environment,
            foreign_keys={} if self.foreign_keys is None else self.foreign_keys(latest),
            region=self.homes.region,
        )

    def signed_latest(self, root: EcPublicKey) -> bool:
        """Whether ``root`` signed the latest bundle, or there is none."""
        latest = self.trust_bundles.latest(self.issuer)
        if latest is None:
            return True
        try:
            open_trust_bundle(latest.jws, root_keys=[root], issuer=self.issuer, now=float(latest.issued_at))
        except TokenError:
            return False
        return True

    def _fitting(self, bundle: TrustBundle, latest: StoredBundle | None, now: float) -> tuple[TrustBundle, str]:
        """``bundle`` with what was revoked, signed: every blocked key, or as many as there is room for besides routes.

        The attack: keys that are blocked by rules by the thousand, in a stack with many routes. A bundle that is too
        large is not published at all, and neither is what an operator does about it. Before a blocked key is left out,
        publications that name the most keys are: all tokens that they would let through are refused at once then.
        """
        most = MAX_LISTED
        statuses = never_revived(self.revocations.statuses(now, most=most), latest)
        while True:
            full = bundle._replace(apps=statuses)
            text = sign_trust_bundle(full, sign=self.root_key.sign)
            if len(text) <= MAX_TRUST_BUNDLE_CHARACTERS:
                return full, text
            if any(status.paced for status in statuses.values()):
                statuses = _without_largest(statuses)
                logger().warning("too many keys for a trust bundle: older tokens are refused at once")
                continue
            most //= 2
            if not most or not any(status.blocked_keys for status in statuses.values()):
                # No authorizer would take it. The last one goes on; an operator has to remove routes.
                raise Unavailable(f"a trust bundle of {len(text)} characters is more than authorizers read")
            logger().warning("too many blocked keys for a trust bundle", listed=most)
            count("BlocksNotListed")
            listed = self.revocations.statuses(now, most=most)
            statuses = {app: status._replace(paced=()) for app, status in listed.items()}


def _without_largest(statuses: Mapping[str, AppStatus]) -> dict[str, AppStatus]:
    """The statuses without the paced publication that names the most keys, and those that count only with it."""
    _, app, place = max(
        (len(paced.keys), app, place) for app, status in statuses.items() for place, paced in enumerate(status.paced)
    )
    return {**statuses, app: statuses[app]._replace(paced=statuses[app].paced[:place])}


def wire_publisher(
    settings: PublishingSettings,
    revocations: Revocations,
    roots: tuple[EcPublicKey, ...],
    foreign_keys: Callable[[StoredBundle | None], Mapping[str, object]] = carried_keys,
) -> Publisher:
    """The publisher of a stack. ``roots`` are all that region documents may be signed by: the one that signs bundles
    here may be a newer one, or another region's own. ``foreign_keys`` has other products' keys; by default they are
    only carried on."""
    homes = Homes(region=settings.region_name, issuer=settings.token_issuer, roots=roots)
    return Publisher(
        issuer=settings.token_issuer,
        lifetime=settings.bundle_lifetime_seconds,
        signing_keys=DynamoDBSigningKeys(dynamodb(), settings.signing_keys_table),
        trust_bundles=DynamoDBTrustBundles(dynamodb(), settings.trust_bundles_table),
        apis=DynamoDBApis(dynamodb(), settings.apis_table),
        revocations=revocations,
        root_key=KmsRootKey(kms(), settings.root_key_id),
        routes={settings.token_audience: settings.guarded_api_routes},
        foreign_keys=foreign_keys if settings.app_check_keys_url else None,
        environment="test" if settings.test_passes is PassMode.ON else "",
        homes=homes,
    )
