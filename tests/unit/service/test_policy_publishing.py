"""Publishing policies: what becomes a version, which one is active, and which callers are refused."""

from __future__ import annotations

from typing import Any

import pytest
from attestation.client_policy import open_client_policy
from service.errors import Unavailable, Unreadable
from service.policies.documents import EMPTY_CLIENT_POLICY, PolicyRefused, built_in
from service.policies.publish import PolicyConflict
from service.policies.store import Canary, StoredPolicy

from tests.service_stack.memory_stack import APP, ISSUER, MemoryStack
from tests.unit.service.published_policies import (
    BEN,
    CLIENT,
    LOCKED,
    PERMIT,
    documents,
    newest,
    promote,
    publish,
    rollback,
    written,
)

STRICTER = '{"format": 1, "refresh_seconds": 600}'
BROKEN = "forbid (principal, action, resource) when { context.no_such == 1 };\n"


def test_first_publication_is_version_one_active_for_everyone(stack: MemoryStack) -> None:
    """Beside a client policy that the root key signed."""
    outcome = publish(stack, client=CLIENT)
    head = stack.policies.head(APP)
    assert outcome.head == head
    assert (head.latest, head.stable, head.previous, head.canary, head.tokens_from) == (1, 1, 0, None, 0)
    stored = stack.policies.find(APP, 1)
    assert stored is not None
    opened = open_client_policy(
        stored.client_jws, root_keys=[stack.root_key.public_key()], issuer=ISSUER, app=APP, newest_seen=0, now=stack.now
    )
    assert (opened.version, opened.document["format"]) == (1, 1)
    assert stored == outcome.added


def test_document_that_a_draft_lacks_stays_as_it_is_active(stack: MemoryStack) -> None:
    """A version is both documents together."""
    publish(stack, appraisal=None, client=CLIENT)
    assert documents(stack, 1) == (built_in().appraisal, CLIENT)
    publish(stack, appraisal=LOCKED)
    assert documents(stack, 2) == (LOCKED, CLIENT)


def test_entry_tells_who_when_why_and_what_changed(stack: MemoryStack) -> None:
    """The diff is against the version that was active."""
    publish(stack)
    publish(stack, appraisal=LOCKED, why="an outbreak", who=BEN)
    entry = newest(stack)
    assert (entry.who, entry.at, entry.why, entry.action) == (BEN, stack.now, "an outbreak", "publish-policy")
    assert entry.details["version"] == 2
    assert '+@id("no-android")' in str(entry.details["appraisal_diff"])
    assert "client_diff" not in entry.details


@pytest.mark.parametrize(
    ("draft", "document"),
    [
        ({"appraisal": BROKEN}, "appraisal"),
        ({"appraisal": "this is not Cedar"}, "appraisal"),
        ({"appraisal": "// \ud800\n" + PERMIT}, "appraisal"),
        ({"appraisal": PERMIT + "// " + "x" * 65_536}, "appraisal"),
        ({"client": "{"}, "client"),
        ({"client": ""}, "client"),
        ({"client": '{"format": 1, "refresh_second": 600}'}, "client"),
    ],
)
def test_draft_with_an_error_is_refused_and_leaves_nothing(
    stack: MemoryStack, draft: dict[str, Any], document: str
) -> None:
    """Neither version nor entry, and the root key is not asked."""
    before, signed = written(stack), stack.root_key.calls
    with pytest.raises(PolicyRefused) as refused:
        publish(stack, **draft)
    assert {message.document for message in refused.value.messages if message.severity == "error"} == {document}
    assert (written(stack), stack.root_key.calls) == (before, signed)


def test_author_who_has_not_seen_the_latest_version_hears_whose_it_is(stack: MemoryStack) -> None:
    """Publishing would undo another operator's change."""
    publish(stack, why="mine", who=BEN)
    with pytest.raises(PolicyConflict) as conflict:
        publish(stack, expected_version=0)
    assert conflict.value.sentence == (
        f'Version 1 was published by {BEN} at 2026-05-28 20:26:41 UTC ("mine"). '
        "You had seen version 0: look at it, then try again."
    )
    with pytest.raises(PolicyConflict, match="There is no version 2"):
        publish(stack, expected_version=2)


def test_publisher_who_loses_the_race_hears_who_won(stack: MemoryStack) -> None:
    """The head moved between reading and writing."""
    move = stack.policies.move

    def slow(change: Any) -> bool:
        stack.policies.move = move  # type: ignore[method-assign]
        publish(stack, who=BEN)
        return move(change)

    stack.policies.move = slow  # type: ignore[method-assign]
    with pytest.raises(PolicyConflict, match=f"published by {BEN} .* That was faster"):
        publish(stack)
    assert [row.who for row in stack.policies.audit.rows] == [BEN]


def test_rollout_grows_until_every_key_is_reached(stack: MemoryStack) -> None:
    """Publish for a few, promote, promote."""
    publish(stack)
    publish(stack, appraisal=LOCKED, rollout=10)
    head = stack.policies.head(APP)
    assert (head.stable, head.canary) == (1, Canary(2, 10))
    assert promote(stack, 2, rollout=50).head.canary == Canary(2, 50)
    for less in (10, 50):
        with pytest.raises(PolicyConflict, match="only grows"):
            promote(stack, 2, rollout=less)
    head = promote(stack, 2).head
    assert (head.latest, head.stable, head.previous, head.canary) == (2, 2, 1, None)
    with pytest.raises(PolicyConflict, match="not rolling out"):
        promote(stack, 2)
    assert [entry.action for entry in stack.policies.audit.rows[2:]] == ["promote-policy"] * 2


def test_second_rollout_waits_for_the_first_and_a_full_publication_does_not(stack: MemoryStack) -> None:
    """A device in both would be handed an older version than it had."""
    publish(stack)
    publish(stack, appraisal=LOCKED, rollout=10)
    with pytest.raises(PolicyConflict, match="two versions cannot roll out at once"):
        publish(stack, rollout=20)
    head = publish(stack).head
    assert (head.latest, head.stable, head.previous, head.canary) == (3, 3, 1, None)


def test_full_publication_never_takes_a_canarys_document_to_all_keys_unseen(stack: MemoryStack) -> None:
    """The draft lacks what differs between the two active versions: the author did not say which one is meant."""
    publish(stack, client=CLIENT)
    publish(stack, appraisal=None, client=STRICTER, rollout=10)
    with pytest.raises(PolicyConflict, match="no client policy, and two are active"):
        publish(stack, appraisal=LOCKED)
    publish(stack, appraisal=None, client=STRICTER)
    assert documents(stack, 3) == (PERMIT, STRICTER)


def test_rollback_is_the_old_content_as_a_new_version(stack: MemoryStack) -> None:
    """Numbers only grow; going back twice leads back again."""
    publish(stack, client=CLIENT)
    publish(stack, appraisal=LOCKED, client=STRICTER)
    outcome = rollback(stack)
    assert documents(stack, 3) == (PERMIT, CLIENT)
    assert outcome.added is not None
    assert (outcome.added.version, outcome.added.restores, outcome.head.stable, outcome.head.previous) == (3, 1, 3, 2)
    rollback(stack)
    assert documents(stack, 4) == (LOCKED, STRICTER)
    rollback(stack, to=1)
    assert documents(stack, 5) == (PERMIT, CLIENT)


def test_rollback_of_a_canary_brings_all_keys_what_the_others_have(stack: MemoryStack) -> None:
    """As a version that is newer than the canary, so that its devices take it. What was before stays before."""
    publish(stack, appraisal=LOCKED)
    publish(stack)
    publish(stack, appraisal=LOCKED, rollout=10)
    head = rollback(stack).head
    assert documents(stack, 4) == (PERMIT, "")
    assert (head.stable, head.canary, head.previous) == (4, None, 1)


def test_rollback_of_the_first_version_restores_the_built_in_one(stack: MemoryStack) -> None:
    """Apps that have a client policy get the one that asks for nothing: silence could be an attacker's."""
    publish(stack, client=STRICTER)
    rollback(stack)
    assert documents(stack, 2) == (built_in().appraisal, EMPTY_CLIENT_POLICY)
    found = stack.policies.find(APP, 2)
    assert found is not None
    assert found.client_jws


def test_rollback_to_a_rule_that_has_expired_since_goes_through(stack: MemoryStack) -> None:
    """An emergency must not fail on a date; what linters say is a warning then."""
    expiring = PERMIT + '@id("until")\n@expires("2026-05-30")\nforbid (principal is Android, action, resource);\n'
    publish(stack, appraisal=expiring)
    publish(stack)
    stack.now += 5 * 86_400
    with pytest.raises(PolicyRefused):
        publish(stack, appraisal=expiring)
    outcome = rollback(stack)
    assert documents(stack, 3)[0] == expiring
    assert outcome.warnings


def test_rollback_without_anything_behind_it_is_a_conflict(stack: MemoryStack) -> None:
    """Nothing published, no such version, or the active one."""
    with pytest.raises(PolicyConflict, match="nothing to go back to"):
        rollback(stack)
    publish(stack)
    with pytest.raises(PolicyConflict, match="There is no version 9"):
        rollback(stack, to=9)
    with pytest.raises(PolicyConflict, match="is the active one"):
        rollback(stack, to=1)


def test_lost_version_is_repaired_by_publishing_both_documents(stack: MemoryStack) -> None:
    """A row that was deleted by hand: the way out must not lead through it."""
    publish(stack, client=CLIENT)
    del stack.policies.versions[APP, 1]
    with pytest.raises(PolicyConflict, match="There is no version 1"):
        publish(stack, expected_version=1)
    publish(stack, client=CLIENT, expected_version=1)
    assert documents(stack, 2) == (PERMIT, CLIENT)


def test_damaged_version_is_repaired_by_publishing_both_documents(
    stack: MemoryStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure: a row that an insider changed is refused, and keeps its own repair from being published."""
    publish(stack, client=CLIENT)
    find = stack.policies.find

    def cannot(app: str, version: int) -> StoredPolicy | None:
        if version == 1:
            raise Unreadable("a row of the policies table cannot be read")
        return find(app, version)

    monkeypatch.setattr(stack.policies, "find", cannot)
    publish(stack, client=CLIENT, expected_version=1)
    assert documents(stack, 2) == (PERMIT, CLIENT)


@pytest.mark.parametrize("damaged", [False, True], ids=["lost", "damaged"])
def test_rollback_leads_away_from_a_version_that_cannot_be_read(
    stack: MemoryStack, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    """The failure: every enrolment and renewal is 503 for want of the active version, and the way back needs it too.
    Apps may hold its client policy, so they get the empty one."""
    publish(stack)
    publish(stack, appraisal=LOCKED, client=CLIENT)
    find = stack.policies.find

    def cannot(app: str, version: int) -> StoredPolicy | None:
        if version != 2:
            return find(app, version)
        if damaged:
            raise Unreadable("a row of the policies table cannot be read")
        return None

    monkeypatch.setattr(stack.policies, "find", cannot)
    outcome = rollback(stack)
    assert (outcome.head.stable, outcome.head.latest) == (3, 3)
    assert documents(stack, 3) == (PERMIT, EMPTY_CLIENT_POLICY)


@pytest.mark.parametrize("change", [{"why": " "}, {"why": "x" * 501}, {"who": ""}, {"rollout": 0}, {"rollout": 101}])
def test_request_that_no_caller_may_pass_on_is_an_error(stack: MemoryStack, change: dict[str, Any]) -> None:
    """Every change has an author and a reason."""
    with pytest.raises(ValueError, match=r"percent|reason|author"):
        publish(stack, **change)


def test_outage_is_unavailable_and_writes_nothing(stack: MemoryStack) -> None:
    """KMS down: no version without a signature."""
    before = written(stack)
    stack.root_key.down = True
    with pytest.raises(Unavailable):
        publish(stack, client=CLIENT)
    assert written(stack) == before
