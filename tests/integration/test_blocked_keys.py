"""Listing blocked keys, and letting in again all that one rule blocked: paged, resumable, throttled, recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Any

import pytest
from bonafide_tokens.jose import b64url_encode
from botocore.exceptions import ClientError
from service.admin import blocked_key_pages
from service.aws import to_item
from service.tables.revocations import DynamoDBRevocations

from bonafide.operator.admin_api import AdminProblem
from bonafide.operator.blocked_keys import BlockedKeys
from tests.service_stack.admin_calls import AdminWorld, admin_world
from tests.service_stack.worlds import AwsWorld, moto_world

NOW = 1_790_000_000
DAY = 86_400
RULE = "hooking-tool"


@pytest.fixture
def world() -> Iterator[AwsWorld]:
    with moto_world() as made:
        yield made


@pytest.fixture
def admin(world: AwsWorld) -> AdminWorld:
    made = admin_world(world)
    made.clock = lambda: float(NOW)
    return made


def key_id(number: int) -> str:
    return b64url_encode(sha256(str(number).encode()).digest())


def enrol(world: AwsWorld, number: int, by: str | None = None, *, until: int | None = None, app: str = "demo") -> str:
    """A key, blocked ``by`` a rule or a person, or not."""
    name = key_id(number)
    blocked = {"at": NOW - 60, "until": until, "reason": "r", "by": by, "idle": DAY}
    row = {
        "key_id": name,
        "app": app,
        "state": "active" if by is None else "blocked",
        "enrolled_at": NOW - DAY,
        "last_seen": NOW - 120,
        "expires_at": NOW + DAY,
        "blocked": None if by is None else {k: v for k, v in blocked.items() if v is not None},
    }
    world.dynamodb.put_item(TableName=world.tables["attested_keys"], Item=to_item(row))
    if by is not None:
        listed = {"app": app, "revoked": f"key:{name}", "at": NOW - 60, "by": by, "expires_at": NOW + DAY}
        world.dynamodb.put_item(TableName=world.tables["revocations"], Item=to_item(listed))
    return name


def population(world: AwsWorld, each: int = 7) -> dict[str, set[str]]:
    """Keys of every kind, ``each`` of a kind."""
    kinds: dict[str, tuple[str | None, dict[str, Any]]] = {
        "free": (None, {}),
        "rule": ("policy 12: hooking-tool", {}),
        "older": ("policy 3: hooking-tool", {"until": NOW + DAY}),
        "other": ("policy 12: hooking-tool-2", {}),
        "shop": ("policy 12: hooking-tool", {"app": "shop"}),
        "person": ("arn:aws:iam::123456789012:user/ann", {}),
        "named": ("arn:aws:iam::123456789012:user/policy 1: hooking-tool", {}),
        "ended": ("policy 12: hooking-tool", {"until": NOW - 1}),
    }
    return {
        kind: {enrol(world, 1000 * place + number, by, **more) for number in range(each)}
        for place, (kind, (by, more)) in enumerate(kinds.items())
    }


def small_pages(world: AwsWorld, monkeypatch: pytest.MonkeyPatch, rows: int = 3) -> None:
    """A table so large that every scan ends after a few rows."""
    real = world.dynamodb.scan
    monkeypatch.setattr(world.dynamodb, "scan", lambda **asked: real(**{**asked, "Limit": rows}))


def blocked(world: AwsWorld) -> set[str]:
    items = world.dynamodb.scan(TableName=world.tables["attested_keys"])["Items"]
    return {item["key_id"]["S"] for item in items if item["state"]["S"] == "blocked"}


@pytest.mark.parametrize("limit", [1, 5, 1000])
def test_blocked_keys_are_listed_by_page_and_each_once(
    world: AwsWorld, admin: AdminWorld, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Whatever the pages; blocks that have ended are none."""
    kinds = population(world)
    small_pages(world, monkeypatch)
    seen: list[str] = []
    after = None
    for _ in range(200):
        listed = BlockedKeys(admin).list(after=after, limit=limit)
        seen.extend(status.key_id for status in listed.keys)
        after = listed.after
        if after is None:
            break
    active = set().union(*(kinds[name] for name in ("rule", "older", "other", "shop", "person", "named")))
    assert (len(seen), set(seen)) == (len(active), active)


def test_list_is_of_one_app_or_rule(world: AwsWorld, admin: AdminWorld) -> None:
    """A person whose name looks like a rule is none."""
    kinds = population(world)
    by_rule = {status.key_id for status in BlockedKeys(admin).list(rule=RULE, limit=1000).keys}
    assert by_rule == kinds["rule"] | kinds["older"] | kinds["shop"]
    both = BlockedKeys(admin).list(rule=RULE, app="shop", limit=1000).keys
    assert {status.key_id for status in both} == kinds["shop"]


def test_rule_is_unblocked_whole_and_nothing_else(
    world: AwsWorld, admin: AdminWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All versions of the policy, all apps; what persons and other rules blocked stays. The bundle forgets them."""
    kinds = population(world)
    small_pages(world, monkeypatch)
    *_, last = BlockedKeys(admin).unblock_rule(RULE, reason="false alarm")
    ours = kinds["rule"] | kinds["older"] | kinds["shop"]
    assert (last.unblocked, last.changing, last.after) == (len(ours), [], None)
    monkeypatch.undo()
    assert blocked(world) == kinds["other"] | kinds["person"] | kinds["named"] | kinds["ended"]
    statuses = DynamoDBRevocations(world.dynamodb, world.tables["revocations"]).statuses(NOW)
    assert not ours & set().union(*(status.blocked_keys for status in statuses.values()))
    assert last.last["published"] is True
    (entry,) = admin.call("GET", f"/admin/audit?subject=rule/{RULE}")["entries"]
    assert (entry["action"], entry["why"]) == ("unblock-rule", "false alarm")
    for name in ours:
        (entry,) = admin.call("GET", f"/admin/audit?subject=key/{name}")["entries"]
        assert (entry["action"], entry["details"]["rule"]) == ("unblock-key", RULE)


def test_unblocking_again_changes_nothing(world: AwsWorld, admin: AdminWorld) -> None:
    """Also after an answer was lost: nothing is unblocked twice, and no second entry of a key is written."""
    kinds = population(world, each=2)
    list(BlockedKeys(admin).unblock_rule(RULE))
    *_, last = BlockedKeys(admin).unblock_rule(RULE)
    assert last.unblocked == 0
    assert len(admin.call("GET", f"/admin/audit?subject=key/{min(kinds['rule'])}")["entries"]) == 1


def test_block_that_a_person_places_at_that_moment_stays(
    world: AwsWorld, admin: AdminWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our reading and our writing: the transaction is for the block that was read."""
    name = enrol(world, 1, "policy 12: hooking-tool")
    real = world.dynamodb.transact_write_items

    def overtaken(**arguments: Any) -> Any:
        monkeypatch.undo()
        admin.call("POST", f"/admin/keys/{name}/block", {"reason": "stolen"})
        return real(**arguments)

    monkeypatch.setattr(world.dynamodb, "transact_write_items", overtaken)
    *_, last = BlockedKeys(admin).unblock_rule(RULE)
    assert (last.unblocked, last.changing) == (0, [name])
    assert admin.call("GET", f"/admin/keys/{name}")["reason"] == "stolen"
    actions = [entry["action"] for entry in admin.call("GET", f"/admin/audit?subject=key/{name}")["entries"]]
    assert actions == ["block-key"]


def throttled() -> ClientError:
    return ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "TransactWriteItems")


def test_throttling_is_waited_out_and_nothing_is_lost(
    world: AwsWorld, admin: AdminWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every third write and every second read is refused: the command goes on where it stopped, and ends."""
    kinds = population(world)
    small_pages(world, monkeypatch, rows=5)
    count = {"write": 0, "read": 0}
    scan, write = world.dynamodb.scan, world.dynamodb.transact_write_items

    def moody(kind: str, every: int, real: Any) -> Any:
        def call(**arguments: Any) -> Any:
            count[kind] += 1
            if count[kind] % every == 0:
                raise throttled()
            return real(**arguments)

        return call

    monkeypatch.setattr(world.dynamodb, "scan", moody("read", 2, scan))
    monkeypatch.setattr(world.dynamodb, "transact_write_items", moody("write", 3, write))
    waits: list[float] = []
    *_, last = BlockedKeys(admin, waits.append).unblock_rule(RULE)
    monkeypatch.undo()
    ours = kinds["rule"] | kinds["older"] | kinds["shop"]
    assert not ours & blocked(world)
    assert last.unblocked == len(ours)
    assert waits
    assert all(0 <= wait <= 20 for wait in waits)


def test_table_that_stays_down_is_an_error_that_says_so(
    world: AwsWorld, admin: AdminWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some tries; never for ever."""
    population(world, each=1)

    def down(**_arguments: Any) -> Any:
        raise throttled()

    monkeypatch.setattr(world.dynamodb, "scan", down)
    waits: list[float] = []
    with pytest.raises(AdminProblem) as caught:
        list(BlockedKeys(admin, waits.append).unblock_rule(RULE))
    assert (caught.value.status, len(waits)) == (503, 7)


def test_one_call_is_bounded_and_says_where_to_go_on(
    world: AwsWorld, admin: AdminWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call ends with its time or its share; the next one finds the rest, also after a crash in between."""
    monkeypatch.setattr(blocked_key_pages, "MOST_UNBLOCKED", 4)
    kinds = population(world)
    calls = 0
    with suppress(StopIteration):
        progress = BlockedKeys(admin).unblock_rule(RULE)
        while True:
            one = next(progress)
            calls += 1
            assert one.unblocked <= 4 * calls
    assert calls > 4
    assert not (kinds["rule"] | kinds["older"] | kinds["shop"]) & blocked(world)


@pytest.mark.parametrize(
    "path",
    ["?limit=0", "?limit=501", "?limit=x", "?after=short", "?app=A", f"?rule={'x' * 257}", "?state=active"],
)
def test_list_that_is_asked_wrongly_is_refused(admin: AdminWorld, path: str) -> None:
    """By the form of the request."""
    assert admin.answer("GET", f"/admin/blocked-keys{path}")[0] == 400
