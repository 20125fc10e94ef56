"""From a support code to the decision: what the Admin API finds, and in which time; what the command says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from attestation.appraisal.cedar.engine import default_policy
from service.deadline import within
from service.support.log_search import KEPT

from bonafide.operator.admin_api import AdminProblem
from bonafide.operator.registration import DEMO_APPLE_APP_ID, Registration
from bonafide.replay.support_lookup import told_by_stack
from tests.service_stack.admin_calls import AdminWorld, FakeLogs, admin_world
from tests.service_stack.worlds import AwsWorld, moto_world
from tests.unit.view.documented import check_documented

NOW = 1_795_521_600.0
CODE = "7K2M9QXA"
RULE = """@id("emulator") @advice("use-real-device")
forbid (principal, action, resource)
when { context.signals has emulator };"""
LINE: dict[str, Any] = {
    "level": "INFO",
    "message": "decision",
    "action": "enrol",
    "outcome": "refused",
    "reason": "appraisal-contraindicated",
    "support_code": CODE,
    "request_id": "r-1",
    "app": "demo",
    "at": NOW - 60,
    "policy_version": 1,
    "model": "<script>alert(1)</script>\u202e\x00",
    "findings": ["emulator", "cloned (observed)"],
    "facts": {"signals": {"emulator": True}},
}


def told(line: dict[str, Any], at: float | None = None) -> tuple[str, int]:
    return json.dumps(line), int((line["at"] if at is None else at) * 1_000)


@pytest.fixture
def world() -> Iterator[AwsWorld]:
    with moto_world() as made:
        made.register(Registration(app="demo", apple_app_ids=(DEMO_APPLE_APP_ID,)))
        yield made


def asked(world: AwsWorld, groups: dict[str, list[list[tuple[str, int]]]]) -> tuple[AdminWorld, FakeLogs]:
    logs = FakeLogs({"verifier": [], "guard": [], **groups})
    admin = admin_world(world, logs=logs)
    admin.clock = lambda: NOW
    return admin, logs


def test_code_leads_to_decision_rule_and_what_was_told(world: AwsWorld) -> None:
    """In one call, in any spelling; the rule as the version that judged has it, which is not active any more."""
    admin, logs = asked(world, {"verifier": [[], [told(LINE), told({**LINE, "support_code": "00000000"})]]})
    for number, text in enumerate((default_policy().text + RULE, default_policy().text)):
        body = {"appraisal": text, "why": "x", "expected_version": number}
        admin.call("POST", "/admin/policies/demo", body)
    for spelt in (CODE, "7k2m-9qxa", "7K2M%209QXA"):
        answer = admin.call("GET", f"/admin/support/{spelt}")
        check_documented("SupportAnswer", answer)
        assert answer["code"] == CODE
        (decision,) = answer["decisions"]
        assert (decision["at"], decision["log"], decision["decision"]) == (NOW - 60, "verifier", LINE)
        (rule,) = [one for one in decision["rules"] if one["rule"] == "emulator"]
        assert (rule["advice"], rule["text"]) == ("use-real-device", RULE)
        assert decision["told"] == {
            "status": 403,
            "slug": "evidence-rejected",
            "title": "The evidence was not accepted.",
            "retry": "never",
            "advice": ["use-real-device"],
        }
        assert answer["searched"]["complete"] is True
    assert {call["filterPattern"] for call in logs.asked} == {'{ $.support_code = "7K2M9QXA" }'}


def test_found_in_the_last_hour_ends_the_search_there(world: AwsWorld) -> None:
    """A screenshot is rarely old, and a week of a gate's log is large; what was not looked through is said."""
    admin, logs = asked(world, {"verifier": [[told(LINE), told({**LINE, "at": NOW - 7_200})]]})
    answer = admin.call("GET", f"/admin/support/{CODE}")
    assert (len(answer["decisions"]), answer["searched"]["since"]) == (1, NOW + 1 - 3_600)
    assert {call["startTime"] for call in logs.asked} == {int(NOW + 1 - 3_600) * 1_000}


def test_older_code_is_found_by_looking_further_back(world: AwsWorld) -> None:
    """To a week, and to any time that is asked for; nothing is read twice."""
    old = {**LINE, "at": NOW - 3 * 86_400}
    admin, logs = asked(world, {"guard": [[told(old)]]})
    answer = admin.call("GET", f"/admin/support/{CODE}")
    assert [one["log"] for one in answer["decisions"]] == ["guard"]
    spans = [(call["startTime"], call["endTime"]) for call in logs.asked if call["logGroupName"] == "guard"]
    assert [end for _, end in spans[1:]] == [begin for begin, _ in spans[:-1]]
    assert (spans[-1][0], spans[0][1]) == (int(NOW + 1 - 7 * 86_400) * 1_000, int(NOW + 1) * 1_000)
    assert not admin.call("GET", f"/admin/support/{CODE}?since={int(NOW) - 86_400}")["decisions"]


def test_groups_take_turns(world: AwsWorld) -> None:
    """The failure: a flood at the gate, and the verifier's few lines are never reached."""
    admin, logs = asked(world, {"guard": [[] for _ in range(50)], "verifier": [[], [told(LINE)]]})
    assert admin.call("GET", f"/admin/support/{CODE}")["decisions"]
    assert [call["logGroupName"] for call in logs.asked[:4]] == ["verifier", "guard", "verifier", "guard"]


def test_time_that_runs_out_is_said(world: AwsWorld) -> None:
    """Rather than a gateway that gave up; what was found until then is told."""
    admin, logs = asked(world, {"guard": [[] for _ in range(50)], "verifier": [[told(LINE)]]})
    with within(KEPT + 0.001):
        search = admin.stack.decision_logs.search(CODE, since=int(NOW) - 600, until=int(NOW))
        while search.complete:  # at most a millisecond of calls fits in
            search = admin.stack.decision_logs.search(CODE, since=int(NOW) - 600, until=int(NOW))
    assert not search.complete
    with within(KEPT - 1):
        assert admin.stack.decision_logs.search(CODE, since=1, until=int(NOW)).complete is False
    assert logs.asked


def test_pages_without_end_are_given_up(world: AwsWorld) -> None:
    """A token that leads to itself, and a log of any size."""
    admin, logs = asked(world, {"guard": [[] for _ in range(5_000)]})
    answer = admin.call("GET", f"/admin/support/{CODE}")
    assert answer["searched"]["complete"] is False
    assert len(logs.asked) <= 400


@pytest.mark.parametrize(
    ("path", "member"),
    [
        ("7K2M9QX", "code"),
        ("7K2M9QXU", "code"),
        ("*", "code"),
        ('7K2M9QX" }', "code"),
        (f"{CODE}?since=0", "since"),
        (f"{CODE}?since=week", "since"),
        (f"{CODE}?since={int(NOW) + 60}", "since"),
        (f"{CODE}?since=1", "since"),
        (f"{CODE}?group=/other", "group"),
    ],
)
def test_what_is_no_code_reaches_no_log(world: AwsWorld, path: str, member: str) -> None:
    """The attack: a filter of the caller's own, or the log of another function."""
    admin, logs = asked(world, {})
    with pytest.raises(AdminProblem) as caught:
        admin.call("GET", f"/admin/support/{path}")
    assert (caught.value.status, caught.value.messages[0]["at"]) == (400, member)
    assert not logs.asked


def test_log_that_does_not_answer_is_try_later(world: AwsWorld) -> None:
    """A group that is gone, or a right that is missing."""
    admin, logs = asked(world, {})
    del logs.groups["guard"]  # type: ignore[attr-defined]  # a dict here
    with pytest.raises(AdminProblem) as caught:
        admin.call("GET", f"/admin/support/{CODE}")
    assert caught.value.status == 503


def test_line_of_an_unknown_policy_or_reason_is_told_all_the_same(world: AwsWorld) -> None:
    """As much as is known: of an older release, of another account's gate, of a policy that is gone."""
    odd = [{**LINE, "policy_version": version, "request_id": str(version)} for version in (99, None, "1", -3)]
    odd += [{**LINE, "reason": "odd", "findings": "x"}, {"message": "decision", "support_code": CODE}]
    admin, _ = asked(world, {"verifier": [[told(line, NOW - 60) for line in odd]]})
    answer = admin.call("GET", f"/admin/support/{CODE}")
    assert len(answer["decisions"]) == len(odd)
    assert [one["rules"] for one in answer["decisions"]] == [[]] * len(odd)
    assert sum(one["told"] is None for one in answer["decisions"]) == 2
    assert told_by_stack(CODE, admin, since=NOW - 600) == {
        **answer,
        "searched": {**answer["searched"], "since": int(NOW - 600)},
    }
