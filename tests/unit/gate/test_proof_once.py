"""Routes that ask for a proof once: spent in a table, across processes, and only there."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import spent_proofs
from bonafide_tokens.routes import Requirement, RouteRequirement
from spent_proofs import PREFIX, SpentProofs

from tests.unit.gate.conftest import Lines
from tests.unit.gate.stand import AUDIENCE, NOW, Call, Stand, bundle, effect, public_key, token

ROUTES = (
    RouteRequirement("POST", "/payments/*", Requirement.PROOF_ONCE),
    RouteRequirement("GET", "/monitored", Requirement.MONITOR),
    RouteRequirement("*", "/*", Requirement.PROOF),
)
PAYMENT = Call(path="/payments/7")


class Refused(Exception):
    """As botocore's ClientError: what went wrong is in ``response``."""

    def __init__(self, code: str) -> None:
        super().__init__("text of the service, never logged")
        self.response = {"Error": {"Code": code}}


class NoncesTable:
    """A table that several authorizers share."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.failure = failure
        self._lock = threading.Lock()

    def put_item(
        self, *, TableName: str, Item: dict[str, Any], ConditionExpression: str, ExpressionAttributeValues: Any
    ) -> None:
        assert (TableName, ConditionExpression) == ("nonces", "attribute_not_exists(nonce) OR spent_by = :attempt")
        assert ExpressionAttributeValues == {":attempt": Item["spent_by"]}
        if self.failure is not None:
            raise self.failure
        with self._lock:
            if Item["nonce"]["S"] in self.rows:
                raise Refused("ConditionalCheckFailedException")
            self.rows[Item["nonce"]["S"]] = Item


def stand(table: NoncesTable) -> Stand:
    return Stand(bundle(apis={AUDIENCE: ROUTES}), spent=SpentProofs("nonces", table))


def test_proof_counts_once_across_processes(log_lines: Lines) -> None:
    """Two authorizers that know nothing of each other share the table."""
    table = NoncesTable()
    one, other = stand(table), stand(table)
    assert effect(one.call(PAYMENT)) == "Allow"
    answer = other.call(PAYMENT)
    assert effect(answer) == "Deny"
    assert answer["context"]["request_class"] == "replayed"
    assert log_lines()[-1]["reason"] == "proof-replayed"


def test_proof_without_once_can_be_replayed_to_another_process() -> None:
    """Why ``proof-once`` exists: a memory is one process's."""
    table = NoncesTable()
    call = Call()
    assert [effect(stand(table).call(call)) for _ in range(2)] == ["Allow", "Allow"]
    assert table.rows == {}


def test_row_has_a_prefix_an_expiry_and_nothing_of_the_request() -> None:
    """The role may write rows of that prefix only; the table forgets by itself, long after the proof is too old."""
    table = NoncesTable()
    stand(table).call(PAYMENT)
    ((name, row),) = table.rows.items()
    assert name.startswith(PREFIX)
    assert set(row) == {"nonce", "expires_at", "spent_by"}
    assert int(row["expires_at"]["N"]) >= NOW + 60 + 300
    assert PAYMENT.jti not in str(row)


def test_one_apps_proof_does_not_burn_anothers() -> None:
    """A jti is unique per key."""
    table = NoncesTable()
    other = PAYMENT.change(token=token(request_key=public_key("other"), jti="other"), signer="other")
    assert [effect(stand(table).call(call)) for call in (PAYMENT, other)] == ["Allow", "Allow"]


@pytest.mark.parametrize(
    "change", [{"signer": "thief"}, {"token": "garbage"}, {"signed_method": "GET"}, {"made_at": NOW - 61}]
)
def test_proof_that_does_not_hold_spends_nothing(change: dict[str, Any]) -> None:
    """No attacker can fill the table, or burn a proof, without the request key."""
    table = NoncesTable()
    assert effect(stand(table).call(PAYMENT.change(**change))) == "Deny"
    assert table.rows == {}


def test_other_routes_write_nothing() -> None:
    """Only a route that asks pays for the write."""
    table = NoncesTable(failure=AssertionError("called"))
    assert effect(stand(table).call(Call())) == "Allow"
    assert effect(stand(table).call(Call(method="GET", path="/monitored"))) == "Allow"


@pytest.mark.parametrize(
    "failure", [Refused("ProvisionedThroughputExceededException"), Refused("AccessDeniedException"), TimeoutError()]
)
def test_table_that_does_not_answer_refuses_for_its_own_reason(failure: Exception, log_lines: Lines) -> None:
    """No request passes unspent; the client is told that nothing is wrong with its request, the log what failed."""
    answer = stand(NoncesTable(failure)).call(PAYMENT)
    assert effect(answer) == "Deny"
    assert (answer["context"]["error"], answer["context"]["action"]) == ("temporarily_unavailable", "retry")
    line = log_lines()[-1]
    assert line["reason"] == "proof-unspent"
    assert "never logged" not in line["detail"]


def test_stack_without_a_table_refuses_such_routes(log_lines: Lines) -> None:
    """The default: no table, no permission, and the log names the setting."""
    assert effect(Stand(bundle(apis={AUDIENCE: ROUTES})).call(PAYMENT)) == "Deny"
    line = log_lines()[-1]
    assert line["reason"] == "proof-unspent"
    assert "PROOF_NONCES_TABLE" in line["detail"]


def test_routes_that_no_table_serves_are_announced_before_any_request() -> None:
    """A 401 for everyone must not come unannounced: at startup, by name, and again only when the routes change."""
    gate = Stand(bundle(apis={AUDIENCE: ROUTES}))
    gate.gate.prepare(NOW)
    assert gate.warnings == ["proof-once needs PROOF_NONCES_TABLE, which is not set; refused: POST /payments/*"]
    gate.serve(bundle(version=8, apis={AUDIENCE: ROUTES}))
    gate.now = NOW + 31
    gate.call(PAYMENT)
    assert len(gate.warnings) == 1
    gate.serve(bundle(version=9, apis={AUDIENCE: (RouteRequirement("*", "/*", Requirement.PROOF_ONCE),)}))
    gate.now = NOW + 62
    gate.call(PAYMENT)
    assert gate.warnings[1].endswith("refused: * /*")


def test_default_that_no_table_serves_is_announced_too() -> None:
    """By the setting's name."""
    gate = Stand(bundle(apis={}), default_requirement=Requirement.PROOF_ONCE)
    gate.gate.prepare(NOW)
    assert "DEFAULT_REQUIREMENT is proof-once" in gate.warnings[0]


@pytest.mark.parametrize(
    ("routes", "settings"),
    [
        (ROUTES, {"proof_nonces_table": "nonces"}),
        (ROUTES, {"spent": SpentProofs("nonces", NoncesTable())}),
        (ROUTES[1:], {}),
        ((RouteRequirement("*", "/*", Requirement.PROOF), *ROUTES), {}),
    ],
)
def test_nothing_is_announced_where_nothing_is_impossible(
    routes: tuple[RouteRequirement, ...], settings: dict[str, Any]
) -> None:
    """A table, no such route, or one that no request reaches."""
    gate = Stand(bundle(apis={AUDIENCE: routes}), **settings)
    gate.gate.prepare(NOW)
    assert gate.warnings == []


def test_one_of_many_at_once_passes() -> None:
    """The condition decides, not the order of reading."""
    table = NoncesTable()
    stands = [stand(table) for _ in range(8)]
    passed: list[str] = []
    threads = [threading.Thread(target=lambda each=each: passed.append(effect(each.call(PAYMENT)))) for each in stands]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(passed) == ["Allow"] + ["Deny"] * 7


def test_client_is_made_by_the_first_spending_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Building the gate loads no SDK; the first proof-once request does."""
    made: list[int] = []
    table = NoncesTable()

    def dynamodb() -> NoncesTable:
        made.append(1)
        return table

    monkeypatch.setattr(spent_proofs, "_dynamodb", dynamodb)
    gate = Stand(bundle(apis={AUDIENCE: ROUTES}), proof_nonces_table="nonces")
    assert effect(gate.call(Call())) == "Allow"
    assert made == []
    assert effect(gate.call(PAYMENT.change(jti="proof-2"))) == "Allow"
    assert made == [1]
    assert len(table.rows) == 1


def test_spending_takes_no_longer_than_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two attempts of a second to connect and a second to read, and a pause: the function's timeout has room for it."""
    for name, value in {"DEFAULT_REGION": "eu-central-1", "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "s"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    config = spent_proofs._dynamodb.__wrapped__().meta.config
    assert (config.connect_timeout, config.read_timeout) == (1, 1)
    assert config.retries["total_max_attempts"] == 2
    assert spent_proofs.LONGEST == 2 * (1 + 1) + 1
