"""What operators write is what the service reads: routes, blocks and not-before, also when several write at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from bonafide_tokens.errors import BonafideError
from bonafide_tokens.routes import Requirement, RouteRequirement
from bonafide_tokens.trust_bundle import AppStatus
from service.errors import Reason, Unavailable
from service.tables.attested_keys import EnrolledKey, KeyState
from service.tables.revocations import LISTED, DynamoDBRevocations
from service.tables.routes import DynamoDBApis

from bonafide.operator.errors import OperatorError
from bonafide.operator.key_blocking import NEVER, KeyBlocking
from bonafide.operator.registration import DEMO_APPLE_APP_ID, Registration
from bonafide.routes.guarded_apis import GuardedApis
from bonafide.routes.route_list import placed
from tests.integration.enrolled_keys import challenge, enrolled_key, renewed
from tests.service_stack.admin_calls import ACCOUNT, admin_world
from tests.service_stack.faults import answering, first, injected
from tests.service_stack.worlds import AwsWorld

pytestmark = pytest.mark.ministack
DAY = 86_400
DEFAULTS = {"own": (RouteRequirement("*", "/*", Requirement.PROOF),)}


def apis_of(world: AwsWorld) -> GuardedApis:
    return GuardedApis(admin_world(world, published=lambda: DEFAULTS))


def blocking_of(world: AwsWorld) -> KeyBlocking:
    world.register(Registration(app="demo", apple_app_ids=(DEMO_APPLE_APP_ID,)))
    return KeyBlocking(admin_world(world))


def statuses(world: AwsWorld, later: float = 0) -> Any:
    return DynamoDBRevocations(world.dynamodb, world.tables["revocations"]).statuses(time.time() + later)


@pytest.fixture
def key(ministack: AwsWorld) -> EnrolledKey:
    """A key that enrolled just now and may idle for a day."""
    now = int(time.time())
    key = enrolled_key(enrolled_at=now, last_seen=now, expires_at=now + DAY)
    ministack.redemption.enrol(replace(challenge(), expires_at=now + 300), key)
    return key


def renewing(world: AwsWorld, key: EnrolledKey, later: int = 60) -> None:
    moment = int(time.time()) + later
    world.redemption.renew(challenge(), renewed(key, 1, last_seen=moment, expires_at=moment + DAY))


def test_routes_written_are_the_routes_read(ministack: AwsWorld) -> None:
    """Method, path, requirement and tier, in their order."""
    made = (
        RouteRequirement("POST", "/payments/*", Requirement.PROOF_ONCE, "affirming"),
        RouteRequirement("*", "/*", Requirement.MONITOR),
    )
    api, _ = apis_of(ministack).change("orders", lambda _: made)
    assert (api.revision, api.updated_by) == (1, f"{ACCOUNT}ann")
    assert DynamoDBApis(ministack.dynamodb, ministack.tables["apis"]).all() == {"orders": made}
    assert apis_of(ministack).find("orders") == api
    assert [known.audience for known in apis_of(ministack).list()] == ["orders", "own"]


def test_first_change_of_the_own_audience_keeps_the_defaults(ministack: AwsWorld) -> None:
    """The failure: one route changed, and all others of the stack's parameter are gone."""
    route = RouteRequirement("GET", "/status", Requirement.OFF)
    apis_of(ministack).change("own", lambda routes: placed(routes, route))
    assert DynamoDBApis(ministack.dynamodb, ministack.tables["apis"]).all() == {"own": (route, *DEFAULTS["own"])}


def test_changes_at_the_same_moment_are_all_kept(ministack: AwsWorld) -> None:
    """Six operators, six routes of one API that has no row yet."""
    made = [RouteRequirement("GET", f"/{number}", Requirement.TOKEN) for number in range(6)]
    with ThreadPoolExecutor(max_workers=6) as pool:
        list(pool.map(lambda r: apis_of(ministack).change("orders", lambda routes: placed(routes, r)), made))
    api = apis_of(ministack).find("orders")
    assert api is not None
    assert set(api.routes) == set(made)
    assert api.revision == 6


def test_change_that_is_always_overtaken_is_given_up(ministack: AwsWorld) -> None:
    """In one sentence, with nothing written."""
    refused = answering(400, "TransactionCanceledException", CancellationReasons=[{"Code": "ConditionalCheckFailed"}])
    with (
        injected(ministack.dynamodb, "TransactWriteItems", refused),
        pytest.raises(OperatorError, match="keep changing"),
    ):
        apis_of(ministack).change("orders", lambda routes: routes)
    assert apis_of(ministack).find("orders") is None


def test_row_that_holds_no_routes_stops_publishing(ministack: AwsWorld) -> None:
    """The failure: a row edited by hand, and an API is open from the next bundle on."""
    ministack.dynamodb.put_item(TableName=ministack.tables["apis"], Item={"audience": {"S": "orders"}})
    with pytest.raises(Unavailable):
        DynamoDBApis(ministack.dynamodb, ministack.tables["apis"]).all()


def test_blocked_key_renews_nothing_and_is_listed(ministack: AwsWorld, key: EnrolledKey) -> None:
    """Both from the same transaction; TTL never deletes it; the list forgets it after its tokens have."""
    status, _ = blocking_of(ministack).block(key.key_id, reason="cloned")
    assert (status.state, status.reason, status.expires_at) == ("blocked", "cloned", NEVER)
    assert statuses(ministack)["demo"].blocked_keys == {key.key_id}
    assert not statuses(ministack, later=LISTED + 1)
    with pytest.raises(BonafideError) as refused:
        renewing(ministack, key)
    assert refused.value.reason is Reason.KEY_BLOCKED
    found = ministack.attested_keys.find(key.key_id)
    assert found is not None
    assert found.is_blocked(time.time() + 400 * DAY)


def test_unblocked_key_renews_and_has_a_whole_idle_period(ministack: AwsWorld, key: EnrolledKey) -> None:
    """Also when it was blocked twice, and for longer than it may idle."""
    blocking = blocking_of(ministack)
    for _ in range(2):
        blocking.block(key.key_id)
    status, _ = blocking.unblock(key.key_id)
    assert status.state == "active"
    assert abs(status.expires_at - (time.time() + DAY)) < 30
    assert not statuses(ministack)
    renewing(ministack, key)


def test_block_for_a_time_ends_by_itself(ministack: AwsWorld, key: EnrolledKey) -> None:
    """Renewing after it succeeds and clears it; the key outlives the block by its idle period."""
    status, _ = blocking_of(ministack).block(key.key_id, seconds=7 * DAY)
    assert status.expires_at >= (status.blocked_until or 0) + DAY
    found = ministack.attested_keys.find(key.key_id)
    assert found is not None
    assert found.is_blocked(time.time() + 6 * DAY)
    assert not found.is_blocked(time.time() + 7 * DAY + 60)
    with pytest.raises(BonafideError):
        renewing(ministack, key, later=6 * DAY)
    renewing(ministack, key, later=7 * DAY + 60)
    found = ministack.attested_keys.find(key.key_id)
    assert found is not None
    assert (found.state, found.blocked_until) == (KeyState.ACTIVE, None)


def test_block_that_meets_a_renewal_is_tried_again(ministack: AwsWorld, key: EnrolledKey) -> None:
    """The key renews at this very moment: contention is no reason to give up."""
    conflict = answering(
        400, "TransactionCanceledException", CancellationReasons=[{"Code": "TransactionConflict"}, {"Code": "None"}]
    )
    with injected(ministack.dynamodb, "TransactWriteItems", first(2, conflict)):
        status, _ = blocking_of(ministack).block(key.key_id)
    assert status.state == "blocked"


@pytest.mark.parametrize("action", ["show", "block", "unblock"])
def test_unknown_key_is_said(ministack: AwsWorld, action: str) -> None:
    """And no row is made for it."""
    act: Callable[[str], object] = getattr(blocking_of(ministack), action)
    with pytest.raises(OperatorError):
        act("K" * 43)
    assert not statuses(ministack)


def test_not_before_is_this_second_and_never_goes_back(ministack: AwsWorld, key: EnrolledKey) -> None:
    """A token of the same second is refused, too; an older command that arrives late changes nothing."""
    blocking = blocking_of(ministack)
    assert blocking.not_before("demo") is None
    moment, _ = blocking.refuse_older_tokens("demo")
    assert abs(moment - time.time()) < 5
    assert statuses(ministack)["demo"].tokens_not_before == moment
    table = ministack.tables["revocations"]
    ministack.dynamodb.update_item(
        TableName=table,
        Key={"app": {"S": "demo"}, "revoked": {"S": "tokens"}},
        UpdateExpression="SET not_before = :later",
        ExpressionAttributeValues={":later": {"N": str(moment + 3600)}},
    )
    assert blocking.refuse_older_tokens("demo")[0] == moment + 3600
    blocking.block(key.key_id)
    assert statuses(ministack)["demo"] == AppStatus(moment + 3600, frozenset({key.key_id}))
