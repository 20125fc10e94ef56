"""Paced publications in the real tables: written with the change, read into the bundle, and never a way back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.pacing.new_pacing import MAX_KEYS, Pacing, packed_keys, prefixes_of
from bonafide_tokens.pacing.paced import Paced
from service.fallback_modes import PolicyApproval
from service.policies.store import DynamoDBPolicies
from service.tables.not_before import NotBefore
from service.tables.paced.key_lists import KeyLists
from service.tables.paced.stored import StoredPacing
from service.tables.revocations import DynamoDBRevocations, ReadRevocations

from tests.integration.administered_stack import DRAFT, POLICIES, admin, entries, refused
from tests.service_stack.admin_calls import AdminWorld, admin_world
from tests.service_stack.worlds import AwsWorld

__all__ = ["admin"]
pytestmark = pytest.mark.ministack

AT_ONCE: list[dict[str, Any]] = [{"platform": ["android"], "app_build_below": 120}]
KEYS = [b64url_encode(sha256(bytes([number])).digest()) for number in range(3)]
PACING: dict[str, Any] = {"seconds": 240, "at_once": AT_ONCE}


def packed(keys: list[str]) -> str:
    return b64url_encode(packed_keys(prefixes_of(keys)))


def publish(admin: AdminWorld, expected: int = 0, **more: object) -> dict[str, Any]:
    body = {"appraisal": DRAFT, "why": "tool", "expected_version": expected, "effect": "now"}
    return admin.call("POST", POLICIES, {**body, **more})


def paced(world: AwsWorld, now: float) -> tuple[Paced, ...]:
    table = world.tables["revocations"]
    return ReadRevocations(world.dynamodb, table).statuses(now)["demo"].paced


def test_paced_change_reaches_the_bundle_and_is_shown(admin: AdminWorld, ministack: AwsWorld) -> None:
    """What the operator asked for is what gates read, and `policy show` says until when."""
    answer = publish(admin, pacing={**PACING, "keys": packed(KEYS)})
    moment = answer["tokens_not_before"]
    assert answer["all_at_once"] is False
    assert (answer["pacing"]["from"], answer["pacing"]["until"]) == (moment, moment + 240)
    (entry,) = paced(ministack, moment)
    assert entry == Paced(moment, 0, 240, tuple(AT_ONCE), prefixes_of(KEYS))
    (shown,) = admin.call("GET", POLICIES)["paced"]
    assert (shown["until"], shown["at_once"], shown["keys"]) == (moment + 240, AT_ONCE, 3)
    assert admin.call("GET", f"{POLICIES}/versions/1")["pacing"]["keys"] == 3
    (written,) = entries(admin, "app/demo")
    assert (written["details"]["grace_seconds"], written["details"]["keys_at_once"]) == (240, 3)
    assert paced(ministack, moment + 240) == ()


def test_pacing_without_room_in_the_bundle_is_said(admin: AdminWorld) -> None:
    """The operator must not believe that renewals are spread."""
    admin.publication.paced = frozenset()
    assert publish(admin, pacing=PACING)["all_at_once"] is True


@pytest.mark.parametrize(
    "pacing", [{"seconds": 60}, {**PACING, "keys": "AAAA"}, {**PACING, "at_once": [{"model": []}]}]
)
def test_pacing_that_cannot_be_read_is_refused(admin: AdminWorld, pacing: Mapping[str, object]) -> None:
    """And nothing is written."""
    body = {"appraisal": DRAFT, "why": "tool", "expected_version": 0, "effect": "now", "pacing": pacing}
    assert refused(admin, "POST", POLICIES, body).status == 400
    assert admin.call("GET", POLICIES)["latest"] == 0


def test_revocation_of_all_tokens_ends_a_grace(admin: AdminWorld, ministack: AwsWorld) -> None:
    """Also within the second of the publication, whose not-before is later than the revocation's own."""
    moment = publish(admin, pacing=PACING)["tokens_not_before"]
    assert len(paced(ministack, moment)) == 1
    table = NotBefore(ministack.dynamodb, ministack.tables["revocations"])
    assert table.refuse_older_tokens("demo", by="bob", now=moment - 1.5) == moment
    assert (table.find("demo"), paced(ministack, moment)) == (moment, ())
    assert table.paced("demo", moment) == ()


def test_rows_of_an_older_release_take_the_pacing_away(ministack: AwsWorld) -> None:
    """It writes the row without it: all at once, whatever the rows named."""
    policies = ministack.policies
    assert isinstance(policies, DynamoDBPolicies)
    now = int(time.time())
    write(ministack, now, StoredPacing(seconds=240, at_once=tuple(AT_ONCE)))
    assert len(paced(ministack, now)) == 1
    write(ministack, now + 5, None)
    assert paced(ministack, now + 5) == ()


def write(world: AwsWorld, moment: int, pacing: StoredPacing | None, **more: Any) -> bool:
    policies = world.policies
    assert isinstance(policies, DynamoDBPolicies)
    parts = policies._refusing("demo", moment, at=moment, by="ann", pacing=pacing, **more)
    return not policies._transact(parts)


def test_other_change_between_look_and_write_is_not_undone(ministack: AwsWorld) -> None:
    """The race: what stood when the entry was made is refused all at once when it is written. The entry says what was
    refused before it; written then, it would revive those tokens."""
    policies, now = ministack.policies, int(time.time())
    assert isinstance(policies, DynamoDBPolicies)
    pacing = StoredPacing(seconds=240, at_once=tuple(AT_ONCE))
    for stands in (None, pacing):
        write(ministack, now, stands)
        late = policies._refusing("demo", now + 9, at=now, by="ann", pacing=pacing)
        assert write(ministack, now + 3, None)
        assert policies._transact(late) == {"tokens"}
        assert write(ministack, now + 9, pacing)
        assert [(each.start, each.after) for each in paced(ministack, now + 9)] == [(now + 9, now + 3)]
        now += 20
    same = policies._refusing("demo", now + 9, at=now, by="ann", pacing=pacing)
    NotBefore(ministack.dynamodb, ministack.tables["revocations"]).refuse_older_tokens("demo", by="bob", now=now - 12)
    assert policies._transact(same) == {"tokens"}, "the not-before is the same one, and it is strict now"


def test_put_off_takes_the_place_of_its_own_entry(ministack: AwsWorld) -> None:
    """Not of another one, and the one before stays the one before."""
    now, pacing = int(time.time()), StoredPacing(seconds=240, at_once=tuple(AT_ONCE))
    write(ministack, now, pacing)
    write(ministack, now + 5, pacing)
    write(ministack, now + 8, pacing, instead_of=now + 5)
    assert [(each.start, each.after) for each in paced(ministack, now + 8)] == [(now + 8, now), (now, 0)]


def test_fifty_thousand_keys_are_one_row(ministack: AwsWorld) -> None:
    """Within DynamoDB's 400 KB; they come back as they were, and a list that is not what its digest says does not."""
    lists = KeyLists(ministack.dynamodb, ministack.tables["revocations"])
    many = prefixes_of(b64url_encode(sha256(number.to_bytes(8)).digest()) for number in range(MAX_KEYS))
    stored = lists.stored(Pacing(240, (), many), now=time.time())
    assert (stored.keys, lists.find(stored.keys_digest)) == (MAX_KEYS, many)
    now = int(time.time())
    write(ministack, now, stored)
    (entry,) = paced(ministack, now)
    assert entry.keys == many
    row: Any = {"app": {"S": f"*keys/{stored.keys_digest}"}, "revoked": {"S": "keys"}, "keys": {"B": bytes(16)}}
    ministack.dynamodb.put_item(TableName=ministack.tables["revocations"], Item=row)
    assert lists.find(stored.keys_digest) is None
    assert paced(ministack, now) == (), "all at once"
    revocations = DynamoDBRevocations(ministack.dynamodb, ministack.tables["revocations"])
    assert revocations.statuses(now)["demo"].paced == ()


def test_keys_of_a_proposal_are_kept_until_it_is_approved(ministack: AwsWorld, admin: AdminWorld) -> None:
    """And where they are gone, the second person hears so: approving something else is none of their wishes."""
    two = admin_world(ministack, approval=PolicyApproval.TWO_PERSON)
    proposed = publish(two, pacing={**PACING, "keys": packed(KEYS)})
    assert (proposed["pacing"], proposed["all_at_once"]) == (None, False)
    digest = proposed["proposed"]["pacing"]["keys_digest"]
    two.name = "bob"
    table, key = ministack.tables["revocations"], {"app": {"S": f"*keys/{digest}"}, "revoked": {"S": "keys"}}
    kept = ministack.dynamodb.get_item(TableName=table, Key=key)["Item"]
    ministack.dynamodb.delete_item(TableName=table, Key=key)
    problem = refused(two, "POST", f"{POLICIES}/approve", {"proposal": 1})
    assert (problem.status, problem.slug) == (409, "policy-conflict")
    assert "propose it again" in str(problem)
    ministack.dynamodb.put_item(TableName=table, Item={**kept, "expires_at": {"N": "1"}})
    approved = two.call("POST", f"{POLICIES}/approve", {"proposal": 1})
    assert approved["pacing"]["keys"] == 3
    moment = approved["tokens_not_before"]
    assert paced(ministack, moment)[0].keys == prefixes_of(KEYS)
    renewed = ministack.dynamodb.get_item(TableName=table, Key=key)["Item"]["expires_at"]["N"]
    assert int(renewed) > moment + 86_400
    assert replace(paced_stored(approved), keys=0) == StoredPacing(
        seconds=240, at_once=tuple(AT_ONCE), keys_digest=digest
    )


def paced_stored(answer: Mapping[str, Any]) -> StoredPacing:
    return StoredPacing.of_record(answer["pacing"])
