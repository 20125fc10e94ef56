"""Races of publishers on ministack, whose transactions are atomic: versions in strict order, one winner each, and an
audit that has all of them and nothing else. BONAFIDE_PUBLISHERS (default 50) sets the size."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import boto3
import pytest
from botocore.config import Config
from service.fallback_modes import PolicyApproval
from service.keys.kms import KmsRootKey
from service.policies.publish import PolicyConflict, PolicyPublishing
from service.policies.store import DynamoDBPolicies, Effect, PolicyChange
from service.tables.audit import DynamoDBAudit, app_subject

from bonafide.operator.local_account import client_arguments
from tests.service_stack.worlds import AwsWorld

pytestmark = pytest.mark.ministack

PUBLISHERS = int(os.environ.get("BONAFIDE_PUBLISHERS", "50"))
APP = "demo"
NOW = 1_780_000_000.0
PERMIT = "permit (principal, action, resource);\n"
CLIENT = '{"format": 1}'


def person(name: object) -> str:
    return f"arn:aws:iam::111122223333:user/{name}"


class Attempt(NamedTuple):
    """What one publisher came away with: a version, or a sentence."""

    outcome: PolicyChange | None
    sentence: str


class Desk:
    """Use cases over one ministack, with connections for as many threads as there are."""

    def __init__(self, world: AwsWorld, approval: PolicyApproval = PolicyApproval.OFF) -> None:
        # Fifty threads on a busy machine wait longer than a Lambda function would; that is not what is tested here.
        patient = Config(connect_timeout=60, read_timeout=60, max_pool_connections=PUBLISHERS + 2)
        assert world.endpoint_url is not None
        dynamodb = boto3.client("dynamodb", config=patient, **client_arguments(world.endpoint_url))
        self.audit = DynamoDBAudit(dynamodb, world.tables["audit"])
        self.policies = DynamoDBPolicies(dynamodb, world.tables["policies"], self.audit, world.tables["revocations"])
        self.publishing = PolicyPublishing(
            policies=self.policies, root_key=KmsRootKey(world.kms, world.root_key_id), issuer="races", approval=approval
        )

    def publish(self, who: str, expected: int, **more: object) -> PolicyChange:
        text = f"// by {who}\n{PERMIT}"
        return self.publishing.publish(
            APP,
            appraisal=text,
            client=CLIENT,
            why=f"by {who}",
            expected_version=expected,
            who=who,
            now=NOW,
            **more,  # type: ignore[arg-type]
        )

    def race(self, racers: Sequence[Callable[[], PolicyChange]]) -> list[Attempt]:
        """All at once; every thread waits at the line for the last one."""
        line = threading.Barrier(len(racers))

        def run(racer: Callable[[], PolicyChange]) -> Attempt:
            line.wait(timeout=60)
            try:
                return Attempt(racer(), "")
            except PolicyConflict as conflict:
                return Attempt(None, conflict.sentence)

        with ThreadPoolExecutor(max_workers=len(racers)) as pool:
            return list(pool.map(run, racers))

    def audited(self) -> list[int]:
        """The versions that the audit tells of, oldest first."""
        entries = self.audit.newest(app_subject(APP), limit=500)
        return sorted(int(entry.details["version"]) for entry in entries if "version" in entry.details)


def test_fifty_publishers_who_saw_one_version_leave_exactly_one_winner(ministack: AwsWorld) -> None:
    """One version, one entry; the other forty-nine hear who it was."""
    desk = Desk(ministack)
    attempts = desk.race([partial(desk.publish, person(n), 0) for n in range(PUBLISHERS)])
    (winner,) = [attempt.outcome for attempt in attempts if attempt.outcome is not None]
    assert winner.added is not None
    losers = [attempt.sentence for attempt in attempts if attempt.outcome is None]
    assert len(losers) == PUBLISHERS - 1
    assert all(f"Version 1 was published by {winner.added.by} at " in sentence for sentence in losers)
    assert [facts.version for facts in desk.policies.history(APP)] == [1]
    assert desk.audited() == [1]


def test_fifty_publishers_who_try_again_once_make_versions_without_a_gap(ministack: AwsWorld) -> None:
    """Each by the latest that it has read: 1 … N in strict order, one author each, all in the audit, no loser."""
    desk = Desk(ministack)

    def twice(who: str) -> PolicyChange:
        try:
            return desk.publish(who, desk.policies.head(APP).latest)
        except PolicyConflict:
            return desk.publish(who, desk.policies.head(APP).latest)

    attempts = desk.race([partial(twice, person(n)) for n in range(PUBLISHERS)])
    won = {
        attempt.outcome.added.version: attempt.outcome.added.by
        for attempt in attempts
        if attempt.outcome is not None and attempt.outcome.added is not None
    }
    lost = [attempt.sentence for attempt in attempts if attempt.outcome is None]
    assert len(won) + len(lost) == PUBLISHERS
    assert all("was published by" in sentence for sentence in lost)
    history = desk.policies.history(APP, limit=500)
    assert [facts.version for facts in history] == list(range(len(won), 0, -1))
    assert {facts.version: facts.by for facts in history} == won
    assert all(facts.based_on == facts.version - 1 for facts in history)
    assert desk.audited() == list(range(1, len(won) + 1))
    entries = desk.audit.newest(app_subject(APP), limit=500)
    assert {int(entry.details["version"]): entry.who for entry in entries} == won
    for facts in history:
        found = desk.policies.find(APP, facts.version)
        assert found is not None
        assert f"// by {facts.by}\n" in found.appraisal
    head = desk.policies.head(APP)
    assert (head.latest, head.stable, head.revision) == (len(won),) * 3


def test_promotion_and_rollback_at_once_leave_one_of_the_two(ministack: AwsWorld) -> None:
    """Never a version that is called off and active for all keys."""
    desk = Desk(ministack)
    desk.publish(person("author"), 0)
    for _ in range(5):
        latest = desk.policies.head(APP).latest
        canary = desk.publish(person("author"), latest, rollout=10).head.canary
        assert canary is not None
        version, use_cases = canary.version, desk.publishing
        promoted, called_off = desk.race(
            [
                partial(use_cases.promote, APP, version=version, why="good", who=person("one"), now=NOW),
                partial(use_cases.rollback, APP, why="bad", expected_version=version, who=person("two"), now=NOW),
            ]
        )
        head = desk.policies.head(APP)
        assert head.canary is None
        if promoted.outcome is None:
            assert (head.stable, head.latest) == (canary.version + 1,) * 2
        elif called_off.outcome is None:
            assert (head.stable, head.latest) == (canary.version,) * 2
            assert called_off.sentence
        else:  # one after the other: what was promoted is then rolled back as any other version
            assert (head.stable, head.latest, head.previous) == (canary.version + 1, canary.version + 1, canary.version)
        versions = [facts.version for facts in desk.policies.history(APP, limit=500)]
        assert versions == list(range(head.latest, 0, -1))


def test_many_approvals_of_one_proposal_make_it_active_once(ministack: AwsWorld) -> None:
    """One version; the others hear that it waits no more."""
    desk = Desk(ministack, PolicyApproval.TWO_PERSON)
    assert desk.publish(person("author"), 0).proposed is not None
    approve = desk.publishing.approve
    attempts = desk.race([partial(approve, APP, proposal=1, who=person(n), now=NOW) for n in range(10)])
    (winner,) = [n for n, attempt in enumerate(attempts) if attempt.outcome is not None]
    assert all("does not wait any more" in a.sentence or "was faster" in a.sentence for a in attempts if not a.outcome)
    assert desk.audited() == [1]
    assert [(facts.by, facts.approved_by) for facts in desk.policies.history(APP)] == [
        (person("author"), person(winner))
    ]


def test_publishers_at_once_never_move_the_not_before_back(ministack: AwsWorld) -> None:
    """It ends as the latest that any of them was told."""
    desk = Desk(ministack)
    attempts: list[Attempt] = []
    for latest in range(3):
        racers = [partial(desk.publish, person(n), latest, effect=Effect.NOW) for n in range(5)]
        attempts += desk.race(racers)
    told = [a.outcome.not_before for a in attempts if a.outcome is not None and a.outcome.not_before is not None]
    assert len(told) == 3
    assert ministack.not_before(APP) == max(told) == desk.policies.head(APP).tokens_from
