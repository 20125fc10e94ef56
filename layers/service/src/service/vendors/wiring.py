"""Wiring of what the two judging functions share: endorsements, and Play Integrity."""

from __future__ import annotations

from service.aws import dynamodb, kms
from service.keys.kms import KmsWrappingKey
from service.settings import JudgingSettings
from service.vendors.app_secrets import DynamoDBAppSecrets
from service.vendors.endorsements import VendorEndorsements
from service.vendors.play_decoder import GooglePlayDecoder
from service.vendors.play_integrity import PlayIntegrity, PlaySecrets
from service.vendors.play_requests import DynamoDBPlayRequests
from service.vendors.status_lists import DynamoDBStatusLists


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
