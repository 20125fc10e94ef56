"""What ``exchange_receipts`` is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from attestation.endorsements import Endorsements, TrustAnchor, pinned_endorsements

from service.settings import RegionSettings, refuse_test_roots_in_production
from service.settings_text import PARSER, anchors, positive
from service.vendors.outbound import check_url


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeReceiptsSettings(RegionSettings):
    """``exchange_receipts``: where receipts, keys and apps are; Apple's two addresses; how many questions a second a
    team may begin, and the days between two about one key. ``development_trust_anchors`` are test roots, for stages
    other than production."""

    receipts_table: str
    attested_keys_table: str
    apps_table: str
    app_secrets_table: str
    wrapping_key_id: str
    apple_receipt_url: str = field(metadata={PARSER: check_url})
    apple_development_receipt_url: str = field(metadata={PARSER: check_url})
    receipts_per_second: int = field(default=10, metadata={PARSER: positive})
    receipt_interval_days: int = field(default=3, metadata={PARSER: positive})
    development_trust_anchors: tuple[TrustAnchor, ...] = field(default=(), metadata={PARSER: anchors})

    def __post_init__(self) -> None:
        refuse_test_roots_in_production(self.stage, self.development_trust_anchors)

    def trusted_roots(self) -> Endorsements:
        """The pinned roots, and those of this stage."""
        return pinned_endorsements().with_development_anchors(self.development_trust_anchors)
