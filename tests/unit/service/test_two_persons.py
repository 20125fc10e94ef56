"""The two-person rule: what one person alone may change, and who the other one is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from service.errors import Unreadable
from service.fallback_modes import PolicyApproval
from service.policies.documents import PolicyRefused
from service.policies.publish import PolicyConflict, PolicyPublishing
from service.policies.store import Canary, Effect, StoredPolicy

from tests.service_stack.memory_stack import APP, MemoryStack
from tests.unit.service.published_policies import (
    ANNA,
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


@pytest.fixture
def two(stack: MemoryStack) -> PolicyPublishing:
    return stack.publishing_as(PolicyApproval.TWO_PERSON)


def test_proposal_takes_effect_when_another_person_approves_it(stack: MemoryStack, two: PolicyPublishing) -> None:
    """Before that nothing changes, and nothing is signed that one person alone wants."""
    signed = stack.root_key.calls
    outcome = publish(stack, two, client=CLIENT, effect=Effect.NOW)
    assert (outcome.added, outcome.not_before, outcome.head.latest, outcome.head.proposal) == (None, None, 0, 1)
    proposal = stack.policies.find_proposal(APP, 1)
    assert proposal is not None
    assert (proposal.client_jws, stack.root_key.calls) == ("", signed)
    stack.now += 1
    approved = two.approve(APP, proposal=1, why="seen", who=BEN, now=stack.now)
    assert approved.added is not None
    assert (approved.added.by, approved.added.approved_by, approved.added.version) == (ANNA, BEN, 1)
    assert approved.not_before is not None
    assert documents(stack, 1) == (PERMIT, CLIENT)
    assert approved.head.proposal is None
    entry = newest(stack)
    assert (entry.who, entry.action, entry.details["proposed_by"]) == (BEN, "approve-policy", ANNA)


ROLE = "arn:aws:sts::111122223333:assumed-role"
FEDERATED = "arn:aws:sts::111122223333:federated-user"


@pytest.mark.parametrize(
    ("author", "second"),
    [
        pytest.param(ANNA, ANNA, id="oneself"),
        pytest.param(f"{ROLE}/operator/anna", f"{ROLE}/operator/somebody-else", id="one-role"),
        pytest.param(ANNA, f"{ROLE}/approver/somebody-else", id="role-that-a-user-assumed"),
        pytest.param(f"{ROLE}/publisher/anna", BEN, id="user-behind-a-role"),
        pytest.param(f"{ROLE}/publisher/anna", f"{ROLE}/approver/anna", id="two-roles-one-name"),
    ],
)
def test_author_cannot_approve_under_any_session_name(
    stack: MemoryStack, two: PolicyPublishing, author: str, second: str
) -> None:
    """The attacks: one operator, two sessions of one role; a user, and a role that the user may assume."""
    publish(stack, two, who=author)
    before = written(stack)
    with pytest.raises(PolicyConflict, match="another person must approve"):
        two.approve(APP, proposal=1, who=second, now=stack.now)
    assert written(stack) == before


def test_author_cannot_approve_after_the_rule_was_switched_off(stack: MemoryStack, two: PolicyPublishing) -> None:
    """A proposal stays one."""
    publish(stack, two)
    with pytest.raises(PolicyConflict, match="another person must approve"):
        stack.publishing.approve(APP, proposal=1, who=ANNA, now=stack.now)


def test_proposal_that_was_overtaken_is_refused(stack: MemoryStack, two: PolicyPublishing) -> None:
    """Its author never saw what it would replace."""
    publish(stack)
    publish(stack, two, appraisal=LOCKED)
    publish(stack, who=BEN)
    assert newest(stack).details["dropped_proposal"] == 1
    with pytest.raises(PolicyConflict, match=f"does not wait any more. Version 2 was published by {BEN}"):
        two.approve(APP, proposal=1, who=BEN, now=stack.now)


def test_proposal_is_judged_again_when_it_is_approved(stack: MemoryStack, two: PolicyPublishing) -> None:
    """What expired while it waited does not become active."""
    expiring = PERMIT + '@id("until")\n@expires("2026-05-30")\nforbid (principal is Android, action, resource);\n'
    publish(stack, two, appraisal=expiring)
    stack.now += 5 * 86_400
    with pytest.raises(PolicyRefused):
        two.approve(APP, proposal=1, who=BEN, now=stack.now)


def test_second_proposal_waits_until_the_first_is_decided(stack: MemoryStack, two: PolicyPublishing) -> None:
    """Anyone may reject, also the author."""
    publish(stack, two)
    with pytest.raises(PolicyConflict, match="Proposal 1 of demo waits already"):
        publish(stack, two, who=BEN)
    two.reject(APP, proposal=1, why="no", who=ANNA, now=stack.now)
    with pytest.raises(PolicyConflict, match="does not wait any more"):
        two.approve(APP, proposal=1, who=BEN, now=stack.now)
    outcome = publish(stack, two)
    assert outcome.proposed is not None
    assert outcome.proposed.version == 2
    with pytest.raises(PolicyConflict, match="There is no proposal 3"):
        two.approve(APP, proposal=3, who=BEN, now=stack.now)


def test_proposal_that_cannot_be_read_is_rejected(
    stack: MemoryStack, two: PolicyPublishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure: a row that an insider changed waits for ever, and no other proposal can be made."""
    publish(stack, two)

    def damaged(_app: str, _number: int) -> StoredPolicy:
        raise Unreadable("a row of the policies table cannot be read")

    monkeypatch.setattr(stack.policies, "find_proposal", damaged)
    with pytest.raises(Unreadable):
        two.approve(APP, proposal=1, who=BEN, now=stack.now)
    with pytest.raises(Unreadable):
        two.reject(APP, proposal=2, why="changed", who=BEN, now=stack.now)
    two.reject(APP, proposal=1, why="changed", who=BEN, now=stack.now)
    assert stack.policies.head(APP).proposal is None


def test_one_person_may_go_back_one_step_and_no_further(stack: MemoryStack, two: PolicyPublishing) -> None:
    """An emergency does not wait for a second person, who approved that content once already."""
    for text in (PERMIT, LOCKED, PERMIT + "// again\n"):
        publish(stack, appraisal=text)
    assert rollback(stack, two, to=1).proposed is not None
    outcome = rollback(stack, two)
    assert outcome.added is not None
    assert (outcome.added.restores, outcome.head.proposal) == (2, None)
    publish(stack, appraisal=PERMIT, rollout=10)
    called_off = rollback(stack, two)
    assert called_off.added is not None
    assert called_off.added.restores == 4


def test_federated_session_neither_proposes_nor_approves(stack: MemoryStack, two: PolicyPublishing) -> None:
    """The attack: an IAM user approves as a federated session, whose name and principal are another's."""
    before = written(stack)
    with pytest.raises(PolicyConflict, match="neither propose nor approve"):
        publish(stack, two, who=f"{FEDERATED}/ben")
    assert written(stack) == before
    publish(stack, two)
    before = written(stack)
    with pytest.raises(PolicyConflict, match="neither propose nor approve"):
        two.approve(APP, proposal=1, who=f"{FEDERATED}/ben", now=stack.now)
    assert written(stack) == before


def test_proposal_of_a_federated_session_from_before_is_not_approved(stack: MemoryStack, two: PolicyPublishing) -> None:
    """A row that an older release wrote."""
    publish(stack, two)
    stored = stack.policies.proposals[APP, 1]
    stack.policies.proposals[APP, 1] = replace(stored, by=f"{FEDERATED}/anna")
    with pytest.raises(PolicyConflict, match="another person must approve"):
        two.approve(APP, proposal=1, who=BEN, now=stack.now)


def test_one_person_never_brings_back_what_was_just_withdrawn(stack: MemoryStack, two: PolicyPublishing) -> None:
    """The attack: one person takes a policy back because it is wrong, and another, alone, makes it active again."""
    publish(stack)
    publish(stack, appraisal=LOCKED)
    assert rollback(stack, two).head.stable == 3
    outcome = rollback(stack, two, who=ANNA)
    assert (outcome.added, outcome.head.stable) == (None, 3)
    assert outcome.proposed is not None
    assert outcome.proposed.restores == 2
    approved = two.approve(APP, proposal=1, who=BEN, now=stack.now)
    assert documents(stack, approved.head.stable) == documents(stack, 2)


def test_withdrawn_version_stays_withdrawn_while_a_rollout_comes_and_goes(
    stack: MemoryStack, two: PolicyPublishing
) -> None:
    """The attack: call off a rollout in between, so that the newest version is no longer the one that withdrew."""
    publish(stack)
    publish(stack, appraisal=LOCKED)
    rollback(stack, two)
    publish(stack, appraisal=PERMIT + "// a try\n", rollout=10)
    assert rollback(stack, two).head.stable == 5
    assert rollback(stack, two, who=ANNA).added is None


def test_one_step_alone_is_possible_again_after_the_next_publication(stack: MemoryStack, two: PolicyPublishing) -> None:
    """At night one person can undo what was published last, also where an earlier version was withdrawn."""
    publish(stack)
    publish(stack, appraisal=LOCKED)
    rollback(stack, two)
    publish(stack, appraisal=PERMIT + "// new\n")
    outcome = rollback(stack, two)
    assert outcome.added is not None
    assert outcome.added.restores == 3


@pytest.mark.parametrize(("rolled_back", "alone"), [(True, False), (False, True)])
def test_head_of_an_older_release_tells_by_its_version_whether_it_withdrew(
    stack: MemoryStack, two: PolicyPublishing, rolled_back: bool, alone: bool
) -> None:
    """Rows from before say nothing of it themselves."""
    publish(stack)
    publish(stack, appraisal=LOCKED)
    if rolled_back:
        rollback(stack)
    stack.policies.heads[APP] = replace(stack.policies.heads[APP], withdrawn=None)
    assert (rollback(stack, two).added is not None) is alone


def test_raising_a_rollout_needs_another_person_too(stack: MemoryStack, two: PolicyPublishing) -> None:
    """The attack: have a policy approved for 1 %, then take it to all keys alone."""
    publish(stack)
    publish(stack, two, appraisal=LOCKED, rollout=1)
    two.approve(APP, proposal=1, who=BEN, now=stack.now)
    asked = two.promote(APP, version=2, why="quiet", effect=Effect.NOW, who=ANNA, now=stack.now)
    assert (asked.head.canary, asked.not_before, asked.head.stable) == (Canary(2, 1), None, 1)
    assert asked.proposed is not None
    assert (asked.proposed.promotes, asked.proposed.rollout) == (2, 100)
    with pytest.raises(PolicyConflict, match="another person must approve"):
        two.approve(APP, proposal=2, who=ANNA, now=stack.now)
    stack.now += 1
    approved = two.approve(APP, proposal=2, who=BEN, now=stack.now)
    assert (approved.head.stable, approved.head.latest, approved.head.canary) == (2, 2, None)
    assert (approved.added, approved.head.proposal) == (None, None)
    assert approved.not_before is not None
    entry = newest(stack)
    assert (entry.who, entry.action) == (BEN, "approve-policy")
    assert (entry.details["promotes"], entry.details["proposed_by"], entry.details["rollout"]) == (2, ANNA, 100)


def test_raise_that_waits_falls_with_what_it_would_raise(stack: MemoryStack, two: PolicyPublishing) -> None:
    """One person calls the rollout off while the other's wish to raise it waits."""
    publish(stack)
    publish(stack, appraisal=LOCKED, rollout=1)
    two.promote(APP, version=2, why="quiet", who=ANNA, now=stack.now)
    rollback(stack, two)
    with pytest.raises(PolicyConflict, match="does not wait any more"):
        two.approve(APP, proposal=1, who=BEN, now=stack.now)


def test_raise_is_judged_again_when_it_is_approved(stack: MemoryStack, two: PolicyPublishing) -> None:
    """A rollout that has grown further meanwhile does not shrink."""
    publish(stack, appraisal=LOCKED, rollout=1)
    two.promote(APP, version=1, rollout=10, why="quiet", who=ANNA, now=stack.now)
    promote(stack, 1, rollout=50)
    with pytest.raises(PolicyConflict, match="only grows"):
        two.approve(APP, proposal=1, who=BEN, now=stack.now)
