"""The default policy's rules for Apple, in plain code: the oracle that default.cedar is held against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attestation.apple.attestation import APP_ID_DIFFERS
from attestation.apple.authenticator_data import CATEGORY_UNREAD, DATA_UNREAD
from attestation.apple.leaf_extensions import ACCESS_LIST_UNJUDGED
from attestation.appraisal.result import Finding, Tier
from attestation.claims import Claims

_DEVELOPMENT: Final = 3
_VETTED: Final = frozenset({None, 1, 2, 4, 5})  # absent before iOS 27; platform, TestFlight, App Store, enterprise


def apple_findings(claims: Claims) -> Iterator[Finding]:
    """What objects to an App Attest key."""
    apple = claims.apple
    if apple is None:
        return
    if apple.full_security is False:
        yield Finding("reduced-security-mac", Tier.CONTRAINDICATED)
    if apple.validation_category == _DEVELOPMENT:
        yield Finding("development-distribution", Tier.WARNING)
    elif apple.validation_category not in _VETTED:
        # Developer ID (6), no category at all (10), or a number that Apple has yet to explain: it never helps.
        yield Finding("unvetted-distribution", Tier.WARNING)
    for finding in (APP_ID_DIFFERS, ACCESS_LIST_UNJUDGED, CATEGORY_UNREAD):
        if finding in claims.findings:
            yield Finding(finding, Tier.WARNING)
    if DATA_UNREAD in claims.findings:
        yield Finding(DATA_UNREAD, Tier.WARNING, enforced=False)
