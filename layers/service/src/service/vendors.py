"""Wiring of what the two judging functions share: endorsements, and Play Integrity."""

from __future__ import annotations

from .app_secrets import DynamoDBAppSecrets
from .aws import dynamodb, kms
from .endorsements import VendorEndorsements
from .kms import KmsWrappingKey
from .play_decoder import GooglePlayDecoder
from .play_integrity import PlayIntegrity, PlaySecrets
from .play_requests import DynamoDBPlayRequests
from .settings import JudgingSettings
from .status_lists import DynamoDBStatusLists


def vendor_endorsements(settings: JudgingSettings) -> VendorEndorsements:
    """The roots of this stage, and the status list from the table. Raises :class:`~service.settings.SettingsError`."""
    return VendorEndorsements(
        roots=settings.trusted_roots(),
        table=DynamoDBStatusLists(dynamodb(), settings.endorsements_table),
        max_age=settings.endorsements_max_age_seconds,
        on_stale=settings.on_endorsements_stale,
    )


def play_integrity(settings: JudgingSettings) -> PlayIntegrity:
    """Play Integrity with the secrets of this stack's apps; nothing is read or unwrapped yet."""
    return PlayIntegrity(
        secrets=PlaySecrets(
            DynamoDBAppSecrets(dynamodb(), settings.app_secrets_table),
            KmsWrappingKey(kms(), settings.wrapping_key_id, settings.stack_name),
        ),
        decoder=GooglePlayDecoder(settings.play_decode_endpoint),
        requests=DynamoDBPlayRequests(dynamodb(), settings.play_requests_table),
        daily_quota=settings.play_daily_quota,
        enrolment_reserve=settings.play_enrolment_reserve,
        on_unavailable=settings.on_play_unavailable,
    )
