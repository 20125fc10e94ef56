"""The stack's own trust bundle, opened: what a relying party goes by, for functions that check tokens themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

from bonafide_tokens.jose import EcPublicKey
from bonafide_tokens.trust_bundle import TrustBundle, open_trust_bundle

from service.aws import dynamodb
from service.errors import Unavailable
from service.settings import PresentedSettings
from service.tables.trust_bundles import DynamoDBTrustBundles, RememberedTrustBundles


@dataclass(slots=True)
class OwnTrustBundle:
    """The latest bundle of ``issuer``, verified by one of ``root_keys`` once per version.

    Verified, although it comes from our own table: an attacker who can write the table, but not use a root key, must
    not be able to add a key that tokens are verified with, nor to lift a block.
    """

    trust_bundles: RememberedTrustBundles
    root_keys: tuple[EcPublicKey, ...]
    issuer: str
    _opened: TrustBundle | None = field(default=None)

    def current(self, now: float) -> TrustBundle:
        """The valid bundle. Raises :class:`~service.errors.Unavailable`, and
        :class:`~bonafide_tokens.errors.Rejected` (``bundle-invalid``) for one that is not ours."""
        latest = self.trust_bundles.latest(self.issuer, now)
        if latest is None:
            raise Unavailable("no valid trust bundle")
        if self._opened is None or self._opened.version != latest.version:
            opened = open_trust_bundle(latest.jws, root_keys=self.root_keys, issuer=self.issuer, now=now)
            # Only the document is signed. The attack: an older one, from before a block, in a row with a newer number.
            if opened.version != latest.version or (self._opened is not None and opened.version < self._opened.version):
                raise Unavailable("the latest trust bundle goes back")
            self._opened = opened
        if self._opened.expires_at <= now:
            raise Unavailable("no valid trust bundle")
        return self._opened


def wire_own_bundle(settings: PresentedSettings) -> OwnTrustBundle:
    """The stack's own, by its settings; nothing is read yet."""
    table = DynamoDBTrustBundles(dynamodb(), settings.trust_bundles_table)
    return OwnTrustBundle(RememberedTrustBundles(table), settings.root_public_key, settings.token_issuer)
