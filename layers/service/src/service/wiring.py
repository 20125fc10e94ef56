"""Wiring of what the functions share that judge."""

from __future__ import annotations

from time import time
from typing import Any

from service.admission.strain import Strain
from service.aws import dynamodb, kms
from service.fallback_modes import PassMode
from service.incidents.document.named_keys import NamedKeys
from service.incidents.document.writer import DynamoDBDocuments
from service.keys.fact_keys import DynamoDBFactKeys, FactKeys, FactPurpose
from service.keys.key_ring import KeyRing, wire_key_ring
from service.keys.kms import KmsWrappingKey
from service.keys.token_issuer import TokenIssuer
from service.policies.active import ActivePolicies
from service.policies.app_states import AppStates, DynamoDBStateReader, remembered_seconds
from service.policies.store import DynamoDBPolicies
from service.receipts.new_receipts import NewReceipts
from service.redemption import DynamoDBRedemption
from service.settings import JudgingSettings, PresentedSettings
from service.tables.apps import DynamoDBApps
from service.tables.attested_keys import DynamoDBAttestedKeys
from service.tables.device_bound import DeviceBound
from service.tables.known_builds import DynamoDBBuilds
from service.tables.nonces import DynamoDBNonces
from service.tables.signing_keys import Purpose
from service.vendors.app_secrets import DynamoDBAppSecrets
from service.vendors.endorsements import VendorEndorsements
from service.vendors.play_decoder import GooglePlayDecoder
from service.vendors.play_integrity import PlayIntegrity, PlaySecrets
from service.vendors.play_requests import DynamoDBPlayRequests
from service.vendors.status_lists import DynamoDBStatusLists


def judging(
    settings: JudgingSettings,
    key_ring: KeyRing,
    facts: FactKeys,
    device_bound: DeviceBound | None = None,
    receipts: NewReceipts | None = None,
) -> dict[str, Any]:
    """What enrolments and renewals have in common; the last two are for enrolments. ``passes`` are those of a test
    stage, whose modules are imported for it alone.

    Raises :class:`~service.settings.SettingsError`."""
    attested_keys = DynamoDBAttestedKeys(
        dynamodb(),
        settings.attested_keys_table,
        settings.key_rows,
        lambda: facts.find(FactPurpose.ROWS, 1, time()),
        settings.region_name,
    )
    nonces = DynamoDBNonces(dynamodb(), settings.nonces_table)
    passes = None
    if settings.test_passes is PassMode.ON:
        from service.passes.stage import wired_passes

        passes = wired_passes(settings)
    policies = DynamoDBPolicies(dynamodb(), settings.policies_table)
    return {
        "states": AppStates(
            DynamoDBStateReader(dynamodb(), attested_keys, DynamoDBApps(dynamodb(), settings.apps_table), policies),
            remembered_seconds(settings.app_memory_seconds),
        ),
        "builds": DynamoDBBuilds(dynamodb(), settings.builds_table),
        "key_ring": key_ring,
        "attested_keys": attested_keys,
        "redemption": DynamoDBRedemption(
            dynamodb(), nonces, attested_keys, device_bound=device_bound, receipts=receipts, passes=passes
        ),
        "token_issuer": TokenIssuer(
            key_ring=key_ring,
            issuer=settings.token_issuer,
            default_audience=settings.token_audience,
            token_lifetime=settings.token_lifetime_seconds,
            challenge_lifetime=settings.challenge_lifetime_seconds,
            stressed_lifetime=settings.stressed_token_seconds,
        ),
        "strain": Strain(),
        "endorsements": vendor_endorsements(settings),
        "play": play_integrity(settings),
        "policies": ActivePolicies(policies),
        "named_keys": named_keys(settings, facts),
        "challenge_lifetime": settings.challenge_lifetime_seconds,
        "key_idle": settings.key_idle_days * 86_400,
        "passes": passes,
    }


def token_key_ring(settings: JudgingSettings) -> KeyRing:
    """The keys that open challenges and sign tokens."""
    return wire_key_ring(settings, *Purpose)


def fact_keys(settings: JudgingSettings | PresentedSettings) -> FactKeys:
    """Keys of detectors' facts, and of serials in rows of keys; nothing is read or unwrapped yet."""
    wrapping = KmsWrappingKey(kms(), settings.wrapping_key_id, settings.stack_name)
    return FactKeys(DynamoDBFactKeys(dynamodb(), settings.fact_keys_table), wrapping)


def named_keys(settings: JudgingSettings | PresentedSettings, keys: FactKeys) -> NamedKeys:
    """What is known of incidents."""
    return NamedKeys(DynamoDBDocuments(dynamodb(), settings.incidents_table), keys)


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
