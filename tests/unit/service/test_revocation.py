"""Revocation through the service: the drill, stale and missing lists, and what an operator chose for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from attestation.errors import Reason
from service.fallback_modes import OnStale
from service.vendors.endorsements import MEMORY, PATIENCE

from devkit.devices.android.releases import RELEASES
from devkit.devices.authority.android import FACTORY, RKP
from devkit.devices.key_store_installation import AndroidInstallation
from tests.service_stack.memory_stack import GOOGLE, NOW, MemoryStack
from tests.unit.service.android_requests import enrolment, refused, renewal, sent

Lines = Callable[[], list[dict[str, Any]]]
DAY = 86_400
EMPTY: dict[str, Any] = {"entries": {}}


def serials_of(phone: AndroidInstallation) -> list[int]:
    """The serials above the phone's leaf, its batch first."""
    line = phone.phone.draft(b"", b"").line
    return [certificate.template.serial for certificate in (line.batch, *line.above)]


def revoking(*serials: int, status: str = "REVOKED") -> dict[str, Any]:
    return {"entries": {f"{serial:x}": {"status": status} for serial in serials}}


@pytest.mark.parametrize("release", ["pixel-5", "galaxy-s24"])
def test_drill(stack: MemoryStack, log_lines: Lines, release: str) -> None:
    """Accepted; its batch is published; refused within one refresh, new keys of the batch and old ones alike."""
    phone, twin = (stack.android(release=RELEASES[release]) for _ in range(2))
    stack.enrol(phone)
    stack.status_lists.publish(revoking(serials_of(phone)[0]), stack.now)
    stack.now += MEMORY + 1
    for path, body in (("/v1/attestations", enrolment(stack, twin)), ("/v1/tokens", renewal(stack, phone))):
        assert refused(stack, path, body, log_lines) == (403, "evidence-rejected", Reason.CERTIFICATE_REVOKED)


@pytest.mark.parametrize("status", ["REVOKED", "SUSPENDED", "SOMETHING_NEW"])
@pytest.mark.parametrize("above", [0, 1])
def test_every_status_of_every_issuer_counts(stack: MemoryStack, log_lines: Lines, status: str, above: int) -> None:
    """The documented good status is absence."""
    phone = stack.android()
    stack.status_lists.publish(revoking(serials_of(phone)[above], status=status), stack.now)
    assert refused(stack, "/v1/attestations", enrolment(stack, phone), log_lines)[2] == Reason.CERTIFICATE_REVOKED


@pytest.mark.parametrize("provisioning", [FACTORY, RKP])
def test_phone_of_the_listed_batch_is_refused(stack: MemoryStack, log_lines: Lines, provisioning: str) -> None:
    """The list that the software Google serves from the start."""
    phone = stack.android(line=GOOGLE.revoked_line(provisioning, now=NOW))
    assert refused(stack, "/v1/attestations", enrolment(stack, phone), log_lines)[2] == Reason.CERTIFICATE_REVOKED


def test_suspension_that_is_lifted_lets_the_key_renew_again(stack: MemoryStack, log_lines: Lines) -> None:
    """A refusal stores nothing about the key."""
    phone = stack.android()
    stack.enrol(phone)
    stack.status_lists.publish(revoking(serials_of(phone)[0], status="SUSPENDED"), stack.now)
    stack.now += MEMORY + 1
    assert refused(stack, "/v1/tokens", renewal(stack, phone), log_lines)[2] == Reason.CERTIFICATE_REVOKED
    stack.status_lists.publish(EMPTY, stack.now)
    stack.now += MEMORY + 1
    assert stack.send("POST", "/v1/tokens", renewal(stack, phone))["statusCode"] == 200


def test_list_at_its_limit_is_gone_by_and_a_second_later_not(stack: MemoryStack, log_lines: Lines) -> None:
    """Old enough to hide a revocation: 503 with its reason, and nothing consumed."""
    stack.now = NOW + DAY
    assert stack.send("POST", "/v1/attestations", enrolment(stack, stack.android()))["statusCode"] == 201
    stack.now += 1
    body = enrolment(stack, stack.android())
    status, slug, decision = sent(stack, "/v1/attestations", body, log_lines)
    assert (status, slug, decision["reason"]) == (503, "try-later", Reason.ENDORSEMENTS_STALE)
    assert decision["outcome"] == "unavailable"


def test_service_recovers_by_itself_with_the_same_request(stack: MemoryStack) -> None:
    """The list comes back: what was answered 503 succeeds, for the 503 consumed nothing."""
    stack.now = NOW + 2 * DAY
    body = enrolment(stack, stack.android())
    assert stack.send("POST", "/v1/attestations", body)["statusCode"] == 503
    stack.status_lists.publish(EMPTY, stack.now)
    stack.now += MEMORY + 1
    assert stack.send("POST", "/v1/attestations", body)["statusCode"] == 201


def test_stale_list_stops_new_keys_and_not_old_ones(stack: MemoryStack, log_lines: Lines) -> None:
    """An enrolled key was looked up in a fresh list; that Google is silent now must not cut off every phone."""
    phone = stack.android()
    stack.enrol(phone)
    stack.now = NOW + 10 * DAY
    status, _, _ = sent(stack, "/v1/tokens", renewal(stack, phone), log_lines)
    assert status == 200
    assert stack.send("POST", "/v1/attestations", enrolment(stack, stack.android()))["statusCode"] == 503


def test_revocation_in_a_stale_list_is_enforced(stack: MemoryStack, log_lines: Lines) -> None:
    """The attack: keep the list from being refreshed, so that a revoked key lives on."""
    phone = stack.android()
    stack.enrol(phone)
    stack.status_lists.publish(revoking(serials_of(phone)[0]), stack.now)
    stack.now = NOW + 10 * DAY
    assert refused(stack, "/v1/tokens", renewal(stack, phone), log_lines)[2] == Reason.CERTIFICATE_REVOKED


def test_stack_that_accepts_stale_lists_says_so(stack: MemoryStack, capsys: pytest.CaptureFixture[str]) -> None:
    """An explicit choice, counted each time it is used; what the old list knows is still refused."""
    stack.on_stale = OnStale.ACCEPT
    stack.restart()
    stack.now = NOW + 10 * DAY
    assert stack.send("POST", "/v1/attestations", enrolment(stack, stack.android()))["statusCode"] == 201
    assert '"EndorsementsStaleAccepted":[1.0]' in capsys.readouterr().out
    revoked = stack.android(line=GOOGLE.revoked_line(FACTORY, now=stack.now))
    assert stack.send("POST", "/v1/attestations", enrolment(stack, revoked))["statusCode"] == 403


@pytest.mark.parametrize("choice", OnStale)
def test_no_list_at_all_is_refused_whatever_the_choice(stack: MemoryStack, log_lines: Lines, choice: OnStale) -> None:
    """Nothing to go by is not an empty list."""
    stack.on_stale, stack.status_lists.row = choice, None
    stack.restart()
    status, slug, decision = sent(stack, "/v1/attestations", enrolment(stack, stack.android()), log_lines)
    assert (status, slug, decision["reason"]) == (503, "try-later", Reason.ENDORSEMENTS_MISSING)
    stack.status_lists.publish(EMPTY, stack.now)
    stack.now += PATIENCE + 1
    assert stack.send("POST", "/v1/attestations", enrolment(stack, stack.android()))["statusCode"] == 201


def test_list_from_the_future_is_not_fresh_for_ever(stack: MemoryStack, log_lines: Lines) -> None:
    """A fetch dated by a broken clock would never grow old."""
    stack.status_lists.publish(EMPTY, NOW + DAY)
    status, _, decision = sent(stack, "/v1/attestations", enrolment(stack, stack.android()), log_lines)
    assert (status, decision["reason"]) == (503, Reason.ENDORSEMENTS_STALE)


def test_iphones_need_no_list(stack: MemoryStack) -> None:
    """A stack without Android never asks for it: not at enrolment, not at renewal."""
    stack.status_lists.row = None
    stack.restart()
    iphone = stack.installation()
    answer = stack.enrol(iphone)
    body = iphone.renewal_body(iphone.client_data(answer["next_challenge"]))
    assert stack.send("POST", "/v1/tokens", body)["statusCode"] == 200
    assert stack.status_lists.calls == 0


def test_list_is_read_once_for_many_requests(stack: MemoryStack) -> None:
    """One read in MEMORY seconds and process, however many phones enrol."""
    for _ in range(5):
        assert stack.send("POST", "/v1/attestations", enrolment(stack, stack.android()))["statusCode"] == 201
    assert stack.status_lists.calls == 1
    stack.now += MEMORY + 1
    assert stack.send("POST", "/v1/attestations", enrolment(stack, stack.android()))["statusCode"] == 201
    assert stack.status_lists.calls == 2


def test_list_in_memory_rides_out_an_outage_of_the_table_up_to_its_limit(stack: MemoryStack, log_lines: Lines) -> None:
    """The table is down: the list in memory serves on, and its age is judged all the same."""
    assert stack.send("POST", "/v1/attestations", enrolment(stack, stack.android()))["statusCode"] == 201
    stack.status_lists.down = True
    stack.now = NOW + DAY
    assert stack.send("POST", "/v1/attestations", enrolment(stack, stack.android()))["statusCode"] == 201
    stack.now += 1
    _, _, decision = sent(stack, "/v1/attestations", enrolment(stack, stack.android()), log_lines)
    assert decision["reason"] == Reason.ENDORSEMENTS_STALE


def test_cold_process_without_the_table_is_try_later(stack: MemoryStack) -> None:
    """Nothing in memory: 503, consuming nothing; iPhones go on."""
    stack.restart()
    stack.status_lists.down = True
    body = enrolment(stack, stack.android())
    assert stack.send("POST", "/v1/attestations", body)["statusCode"] == 503
    stack.enrol(stack.installation())
    stack.status_lists.down = False
    stack.now += PATIENCE + 1
    assert stack.send("POST", "/v1/attestations", body)["statusCode"] == 201


@pytest.mark.parametrize("damage", [b"", b"not zlib", b"x\x9c"])
def test_damaged_row_is_no_empty_list(stack: MemoryStack, log_lines: Lines, damage: bytes) -> None:
    """A row that cannot be read refuses new keys, and the log says which revision it is."""
    row = stack.status_lists.row
    assert row is not None
    stack.status_lists.row = replace(row, content=damage, revision=7)
    status, _, decision = sent(stack, "/v1/attestations", enrolment(stack, stack.android()), log_lines)
    assert status == 503
    assert "endorsements row, revision 7" in decision["detail"]
