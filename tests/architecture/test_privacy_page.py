"""docs/privacy.md names every field that is stored."""

from __future__ import annotations

import re
from pathlib import Path

from service.admin.registration import Registration
from service.secrets.runtime_secret import RuntimeSecret
from service.tables.audit import AuditEntry
from service.tables.signing_keys import StoredKey
from service.tables.trust_bundles import StoredBundle
from service.vendors.status_lists import StoredStatusList

from devkit.local.provision import TABLES
from tests.architecture.stored_fields import claims, line_members, members_of, row_writers, told_to_detectors

PAGE = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text()
NAMED = set(re.findall(r"`([a-z][a-z0-9_]*)`", PAGE))
HEADINGS = {name.strip() for line in re.findall(r"^### (.+)$", PAGE, re.MULTILINE) for name in line.split(",")}
DATACLASSES = (StoredKey, AuditEntry, RuntimeSecret, StoredBundle, StoredStatusList, Registration)
NO_ATTRIBUTES = {
    "service.admin.audit": {"entries"},  # members of an answer
    "service.admin.blocked_key_pages": {"blocked_by", "rule"},
    "service.aws": {"mode", "total_max_attempts"},
    "service.roots.root_sets_table": {"head", "set"},  # parts of a transaction
    "service.tables.blocking": {"key", "listed"},  # parts of a transaction
    "service.telling.deliveries": {"type"},  # a member of an answer
    "service.telling.webhooks_table": {"webhook"},  # a part of a transaction
    "service.incidents.table": {"audit", "change", "open", "past"},
    "service.regions.table": {"newest"},  # a part of a transaction
    "service.relay.budgets": {"budget"},  # the proxy's own table: amounts, by a digest of the key
}


def test_every_attribute_that_a_module_writes_is_named() -> None:
    unnamed = {name: written - NAMED - NO_ATTRIBUTES.get(name, set()) for name, written in row_writers().items()}
    assert {name: attributes for name, attributes in unnamed.items() if attributes} == {}


def test_every_member_of_a_row_that_is_a_dataclass_is_named() -> None:
    assert members_of(*DATACLASSES) - NAMED == set()


def test_every_table_has_a_section() -> None:
    assert TABLES.keys() - HEADINGS == set()


def test_every_member_of_a_decision_line_is_named() -> None:
    assert line_members() - NAMED == set()


def test_every_claim_is_named() -> None:
    assert claims() - NAMED == set()


def test_everything_that_detectors_see_is_named() -> None:
    assert told_to_detectors() - NAMED == set()


def test_the_readers_of_the_source_find_something() -> None:
    """A rule that looks at nothing would always hold."""
    assert {"detection", "key_id", "decided_by", "weight", "facts"} <= line_members()
    assert {"home", "chain", "noted"} <= row_writers()["service.tables.attested_keys"]
    assert len(row_writers()) >= 15


def test_exceptions_are_of_what_is_there() -> None:
    for module, names in NO_ATTRIBUTES.items():
        assert names <= row_writers()[module], module
