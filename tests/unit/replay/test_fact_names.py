"""What decision records may say about a device: these names, and no other. Read docs/replay.md before adding one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from attestation.appraisal.cedar.engine import schema_text
from attestation.appraisal.facts import SIGNALS, facts_of

from tests.benchmarks.recorded_population import RecordedPopulation
from tests.plain_policy.generated_contexts import generated_contexts


def words(text: str) -> list[str]:
    return text.split()


EVERY = words(
    "format platform app_id key_storage environment chain_profile anchor counter os_version findings "
    "key_algorithm signing_digests package packages"
)
APPLE = words("os_build validation_category bundle_version full_security receipt_verified risk_metric")
ANDROID = words(
    "attestation_version keymint_version security_level key_security_level strongbox_certified provisioning "
    "verified_boot_state device_locked verified_boot_key boot_key_listed verified_boot_hash os_version_number "
    "os_patch_level vendor_patch_level boot_patch_level patch_known patch_age_months origin purposes "
    "user_authentication package_version certificates_issued manufacturer unknown_tags play play_skipped play_expected"
)
PLAY = words(
    "token age_hours requested_by app_recognition version_code device_labels sdk_version device_activity licensing "
    "play_protect apps_detected location_spoofing location_high_risk testing"
)
HARMONY = words(
    "kind bundle_name signed_app_id app_identifier app_mode key_origin key_origin_level key_manager_level key_purposes "
    "model device_security_level claim_levels boot_state simulator integrity "
    "profile basic_integrity details version advice unread"
)
REQUEST = words(
    "signals incidents incident_warnings event client_policy_version app_build os model country build match unknown "
    "differing source reported detail other"
)
RECORD = ("kind", "app", "key_id", "claims", "context")
ALLOWED = {*EVERY, *APPLE, *ANDROID, *PLAY, *HARMONY, *REQUEST, *RECORD, *SIGNALS}


def names(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield name
            yield from names(member)
    elif isinstance(value, list):
        for member in value:
            yield from names(member)


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return list(RecordedPopulation(devices=400).lines(0, 3000, 3000))


def test_facts_have_allowed_names_only(lines: list[str]) -> None:
    """The attack: a new claim that identifies a device, and with it every archive of decisions."""
    records = [record["facts"] for record in map(json.loads, lines) if "facts" in record]
    records += [facts_of(context).to_record() for context in generated_contexts(6, 2000)]
    found = {name for each in records for name in names(each)}
    assert found <= ALLOWED
    assert len(found) > 90


def test_public_keys_receipts_and_serials_are_in_no_record(lines: list[str]) -> None:
    """Searched for by value, not by name."""
    population = RecordedPopulation(devices=400)
    text = "".join(lines)
    for device in population.devices:
        assert device.claims.public_key.hex() not in text
        assert device.claims.public_key.hex()[2:66] not in text


def test_list_names_nothing_that_no_fact_has() -> None:
    """A list that allows more than there is protects less than it says."""
    schema = schema_text()
    assert [name for name in sorted(ALLOWED - set(RECORD)) if name not in schema] == []
