"""The policies and audit tables: what the fakes promise is what moto and ministack do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from service.errors import Unreadable
from service.policies.digest import digest_of
from service.policies.store import Canary, Effect, PolicyChange, PolicyHead, PolicyVersion, StoredPolicy
from service.tables.audit import MAX_DETAIL, AuditEntry, app_subject

from tests.service_stack.policy_fakes import facts_of
from tests.service_stack.worlds import AwsWorld, World

APP = "demo"
AUTHOR = "arn:aws:iam::111122223333:user/author"
NOW = 1_780_000_000
PERMIT = "permit (principal, action, resource); // ü"


def stored(version: int, **changes: object) -> StoredPolicy:
    facts = PolicyVersion(
        app=APP,
        version=version,
        why="because",
        by=AUTHOR,
        at=NOW + version,
        effect=Effect.NEXT_RENEWAL,
        rollout=100,
        based_on=version - 1,
        digest=digest_of(PERMIT, "{}"),
        has_client=True,
    )
    changed = replace(facts, **changes)  # type: ignore[arg-type]
    return changed.holding(PERMIT, "{}", "a.b.c")


def with_documents(policy: StoredPolicy, appraisal: str, client: str, client_jws: str) -> StoredPolicy:
    facts = replace(facts_of(policy), digest=digest_of(appraisal, client), has_client=bool(client))
    return facts.holding(appraisal, client, client_jws)


def entry(what: str, at: float = NOW) -> AuditEntry:
    return AuditEntry(subject=app_subject(APP), at=at, who=AUTHOR, action=what, why="because", details={"version": 1})


def move_to(read: PolicyHead, number: int, **more: object) -> PolicyChange:
    head = replace(read, latest=number, stable=number, previous=read.stable, revision=read.revision + 1)
    return PolicyChange(read=read, head=head, added=stored(number), entry=entry(f"move-{number}"), **more)  # type: ignore[arg-type]


def publish(world: World, number: int, **more: object) -> PolicyHead:
    move = move_to(world.policies.head(APP), number, **more)
    assert world.policies.move(move)
    return move.head


def test_app_without_policies_has_the_built_in_one(world: World) -> None:
    """Version 0, for every caller."""
    assert world.policies.head(APP) == PolicyHead(app=APP)
    assert world.policies.find(APP, 0) is None
    assert world.policies.find(APP, 1) is None
    assert world.policies.find_proposal(APP, 1) is None
    assert world.policies.history(APP) == ()


def test_everything_of_a_move_comes_back_as_it_was_written(world: World) -> None:
    """Head, version, proposal and entry, with every optional member."""
    read = world.policies.head(APP)
    head = replace(
        read,
        latest=1,
        canary=Canary(1, 10),
        previous=0,
        proposal=1,
        proposals=1,
        tokens_from=NOW,
        revision=1,
    )
    added = stored(1, restores=0, approved_by="arn:aws:iam::111122223333:user/second", rollout=10, effect=Effect.NOW)
    proposed = with_documents(stored(1), PERMIT, "", "")
    told = entry("publish")
    assert world.policies.move(
        PolicyChange(read=read, head=head, added=added, proposed=proposed, entry=told, not_before=NOW)
    )
    assert world.policies.head(APP) == head
    assert world.policies.find(APP, 1) == added
    assert world.policies.find_proposal(APP, 1) == proposed
    assert world.policies.history(APP) == (facts_of(added),)
    assert world.audit.newest(app_subject(APP)) == (told,)
    assert world.not_before(APP) == NOW


def test_head_that_moved_meanwhile_loses_the_whole_move(world: World) -> None:
    """Nothing of it is there: no version, no entry, no not-before."""
    read = world.policies.head(APP)
    publish(world, 1)
    assert not world.policies.move(move_to(read, 1))
    late = replace(move_to(read, 2, not_before=NOW), proposed=stored(1))
    assert not world.policies.move(late)
    assert world.policies.find(APP, 2) is None
    assert world.policies.find_proposal(APP, 1) is None
    assert [row.action for row in world.audit.newest(app_subject(APP))] == ["move-1"]
    assert world.not_before(APP) is None


def test_not_before_never_goes_back(world: World) -> None:
    """A later one of an operator stands, and the policy is published all the same."""
    publish(world, 1, not_before=NOW + 10)
    publish(world, 2, not_before=NOW + 5)
    assert (world.not_before(APP), world.policies.head(APP).latest) == (NOW + 10, 2)
    publish(world, 3, not_before=NOW + 11)
    assert world.not_before(APP) == NOW + 11


def test_times_that_are_put_off_reach_head_and_bundle(world: World) -> None:
    """And never go back; a change by an older head has lost."""
    old = publish(world, 1, not_before=NOW)
    world.policies.put_off(old, NOW + 3, who=AUTHOR)
    head = world.policies.head(APP)
    assert (head.tokens_from, world.not_before(APP)) == (NOW + 3, NOW + 3)
    assert replace(head, tokens_from=old.tokens_from, revision=old.revision) == old
    assert not world.policies.move(move_to(old, 2))
    world.policies.put_off(old, NOW + 2, who=AUTHOR)
    assert (world.policies.head(APP), world.not_before(APP)) == (head, NOW + 3)


def test_put_off_after_a_later_not_before_still_moves_the_head(world: World) -> None:
    """Each of the two takes the later time by itself."""
    head = publish(world, 1, not_before=NOW + 9)
    world.policies.put_off(head, NOW + 3, who=AUTHOR)
    assert (world.policies.head(APP).tokens_from, world.not_before(APP)) == (NOW + 3, NOW + 9)


def test_history_is_newest_first_and_goes_on_where_it_ended(world: World) -> None:
    """Ten is before nine, and pages neither repeat nor leave out."""
    for number in range(1, 13):
        publish(world, number)
    first = world.policies.history(APP, limit=5)
    assert [facts.version for facts in first] == [12, 11, 10, 9, 8]
    assert [facts.version for facts in world.policies.history(APP, limit=5, before=8)] == [7, 6, 5, 4, 3]
    assert [facts.version for facts in world.policies.history(APP, before=2)] == [1]
    assert world.policies.history(APP, before=1) == ()
    assert world.policies.history("other") == ()


def test_audit_is_newest_first_by_subject_and_goes_on_where_it_ended(world: World) -> None:
    """Also within one second."""
    for number in range(5):
        world.audit.add(entry(f"change-{number}", at=NOW + number / 8))
    world.audit.add(AuditEntry(subject="key/other", at=NOW, who=AUTHOR, action="block"))
    first = world.audit.newest(app_subject(APP), limit=2)
    assert [row.action for row in first] == ["change-4", "change-3"]
    rest = world.audit.newest(app_subject(APP), before=first[-1].entry)
    assert [row.action for row in rest] == ["change-2", "change-1", "change-0"]
    assert rest[-1].at == NOW


@pytest.mark.parametrize("length", [MAX_DETAIL, MAX_DETAIL + 1, 400_000])
def test_entry_of_any_size_is_stored_cut(world: World, length: int) -> None:
    """A diff of two large policies must not keep the change from being published."""
    told = replace(entry("publish"), details={"appraisal_diff": "ü" * length})
    world.audit.add(told)
    (row,) = world.audit.newest(app_subject(APP))
    assert row == told
    text = str(row.details["appraisal_diff"])
    assert (len(text) == length) is (length <= MAX_DETAIL)
    assert text.endswith("cut") is (length > MAX_DETAIL)


def test_largest_documents_fit_into_a_row(world: World) -> None:
    """Two documents of 64 KiB, the signed one as large as apps read."""
    large = with_documents(stored(1), "ü" * 32_768, "ü" * 32_768, "x" * 65_536)
    assert world.policies.move(replace(move_to(PolicyHead(app=APP), 1), added=large))
    assert world.policies.find(APP, 1) == large


@pytest.mark.parametrize("number", [1, -1], ids=["version", "proposal"])
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("appraisal", {"S": "permit (principal, action, resource);"}),
        ("appraisal", {"N": "1"}),
        ("client", {"S": ""}),
        ("has_client", {"BOOL": False}),
        ("digest", {"S": "0" * 64}),
    ],
)
def test_documents_that_were_rewritten_in_the_table_are_not_read(
    moto: AwsWorld, number: int, member: str, value: dict[str, object]
) -> None:
    """The attack: an insider weakens the active policy in its row. Nothing is judged by it, and nothing approved."""
    assert moto.policies.move(replace(move_to(PolicyHead(app=APP), 1), proposed=stored(1)))
    row: Any = {
        "TableName": moto.tables["policies"],
        "Key": {"app": {"S": APP}, "version": {"N": str(number)}},
        "UpdateExpression": "SET #member = :value",
        "ExpressionAttributeNames": {"#member": member},
        "ExpressionAttributeValues": {":value": value},
    }
    moto.dynamodb.update_item(**row)
    damaged, whole = (moto.policies.find, moto.policies.find_proposal)[:: 1 if number > 0 else -1]
    with pytest.raises(Unreadable, match="policies"):
        damaged(APP, 1)
    assert whole(APP, 1) == stored(1)
