"""Which policy judges a key, which client policy it is served, and what happens when that cannot be known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from attestation.appraisal.cohort import in_rollout
from service.errors import Unavailable, Unreadable
from service.policies.active import MOST_COMPILED, ActivePolicies
from service.policies.client_policy import ServedClientPolicies
from service.policies.store import PolicyHead

from tests.service_stack.events import json_of
from tests.service_stack.memory_stack import APP, MemoryStack
from tests.service_stack.policy_fakes import MemoryPolicies

ANNA = "arn:aws:iam::111122223333:user/anna"
PERMIT = "permit (principal, action, resource);\n"
LOCKED = PERMIT + '@id("locked")\n@advice("call-us")\nforbid (principal is Apple, action, resource);\n'
CLIENT = '{"format": 1}'
KEYS = [f"key-{number}" for number in range(200)]


def publish(stack: MemoryStack, appraisal: str = PERMIT, **more: Any) -> None:
    arguments = {"why": "w", "expected_version": stack.policies.head(APP).latest, "who": ANNA, "now": stack.now, **more}
    stack.publishing.publish(APP, appraisal=appraisal, **arguments)


@pytest.fixture
def active(stack: MemoryStack) -> ActivePolicies:
    return ActivePolicies(stack.policies)


def test_app_without_policies_is_judged_by_the_built_in_one(stack: MemoryStack, active: ActivePolicies) -> None:
    """Version 0, without a client policy."""
    found = active.for_key(APP, "key", stack.now)
    assert (found.version, found.client_policy_version, found.tokens_from) == (0, 0, 0)
    assert found.appraisal.version == 0


def test_key_is_judged_by_the_version_of_its_cohort(stack: MemoryStack, active: ActivePolicies) -> None:
    """And told the client policy of the same version."""
    publish(stack, client=CLIENT)
    publish(stack, LOCKED, rollout=30)
    found = {key: active.for_key(APP, key, stack.now) for key in KEYS}
    assert {found[key].version for key in KEYS if in_rollout(APP, key, 30)} == {2}
    assert {found[key].version for key in KEYS if not in_rollout(APP, key, 30)} == {1}
    assert all(each.client_policy_version == each.version == each.appraisal.version for each in found.values())


def test_versions_are_read_and_compiled_once_and_the_head_every_time(stack: MemoryStack) -> None:
    """Which version is active is known at once; a version never changes."""
    compiled = []

    def compiling(text: str, version: int) -> Any:
        compiled.append((text, version))
        return ActivePolicies(stack.policies).default()

    active = ActivePolicies(stack.policies, compile=compiling)
    publish(stack)
    stack.policies.calls = 0
    for key in KEYS:
        active.for_key(APP, key, stack.now)
    assert (compiled, stack.policies.calls) == ([(PERMIT, 1)], len(KEYS) + 1)
    publish(stack, LOCKED)
    assert active.for_key(APP, "key", stack.now).version == 2


def test_compiled_versions_are_bounded(stack: MemoryStack, active: ActivePolicies) -> None:
    """A stack of many apps does not fill its memory."""
    publish(stack)
    for number in range(MOST_COMPILED * 2):
        app = f"app-{number}"
        stack.policies.heads[app] = replace(stack.policies.head(APP), app=app)
        stack.policies.versions[app, 1] = stack.policies.versions[APP, 1]
        active.for_key(app, "key", stack.now)
    assert len(active._compiled) == MOST_COMPILED


@pytest.mark.parametrize("damage", ["missing", "does-not-compile", "rewritten", "down"])
def test_policy_that_cannot_be_had_is_unavailable_and_never_a_weaker_one(
    stack: MemoryStack, log_lines: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """Through the function: 503, nothing consumed, and the metric that an alarm hangs on."""
    installation = stack.installation()
    publish(stack, LOCKED)
    stored, find = stack.policies.versions.pop((APP, 1)), stack.policies.find

    def damaged(_app: str, _version: int) -> None:
        raise Unreadable("a row of the policies table cannot be read")

    if damage == "rewritten":
        monkeypatch.setattr(stack.policies, "find", damaged)
    if damage == "does-not-compile":
        stack.policies.versions[APP, 1] = replace(stored, appraisal="forbid (principal, action, resource")
    stack.policies.down = damage == "down"
    body = installation.attestation_body(installation.client_data(stack.challenge()))
    log_lines()
    for _ in range(2):
        answer = stack.send("POST", "/v1/attestations", body)
        assert answer["statusCode"] == 503
        assert not stack.redemption.spent
        counted = [line for line in log_lines() if "PolicyUnreadable" in line]
        assert bool(counted) is (damage != "down")
    stack.policies.down = False
    if damage == "rewritten":
        monkeypatch.setattr(stack.policies, "find", find)
    stack.policies.versions[APP, 1] = stored
    stack.restart()
    assert stack.send("POST", "/v1/attestations", body)["statusCode"] == 403


def test_new_policy_reaches_a_renewal_and_the_token_says_so(
    stack: MemoryStack, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    """Judged again at each renewal; the record has version and facts, the answer the client policy, also a refusal."""
    installation = stack.installation()
    stack.enrol(installation)
    publish(stack, client=CLIENT)
    answer = stack.send("POST", "/v1/tokens", installation.renewal_body(installation.client_data(stack.challenge())))
    assert json_of(answer)["client_policy_version"] == 1
    publish(stack, LOCKED)
    log_lines()
    answer = stack.send("POST", "/v1/tokens", installation.renewal_body(installation.client_data(stack.challenge())))
    assert (answer["statusCode"], json_of(answer)["advice"]) == (403, ["call-us"])
    assert answer["headers"]["Bonafide-Client-Policy-Version"] == "2"
    (line,) = [line for line in log_lines() if line.get("action") == "renew"]
    assert (line["policy_version"], line["findings"]) == (2, ["locked"])
    assert line["facts"]["context"]["event"] == "renew"


def test_served_client_policy_is_that_of_the_cohort(stack: MemoryStack) -> None:
    """The same arithmetic as for judging, for keys and for installs that have none yet."""
    served = ServedClientPolicies(stack.policies)
    assert served.served(APP, "key", stack.now) is None
    publish(stack, client=CLIENT)
    publish(stack, LOCKED, rollout=30)
    stack.now += 2
    for install in KEYS:
        found = served.served(APP, install, stack.now)
        assert found is not None
        assert found.version == (2 if in_rollout(APP, install, 30) else 1)
        assert found.jws == stack.policies.versions[APP, found.version].client_jws


def test_server_reads_once_a_second_and_goes_on_through_an_outage(stack: MemoryStack) -> None:
    """By what it knew; a server that knows nothing says so."""
    publish(stack, client=CLIENT)
    served = ServedClientPolicies(stack.policies)
    stack.policies.calls = 0
    for _ in range(10):
        served.served(APP, "key", stack.now)
    assert stack.policies.calls == 2
    publish(stack)
    before = served.served(APP, "key", stack.now + 0.9)
    after = served.served(APP, "key", stack.now + 1.1)
    assert before is not None
    assert after is not None
    assert (before.version, after.version) == (1, 2)
    stack.policies.down = True
    assert served.served(APP, "key", stack.now + 5) == after
    with pytest.raises(Unavailable):
        ServedClientPolicies(stack.policies).served(APP, "key", stack.now)


def test_server_that_finds_a_version_missing_is_unavailable(stack: MemoryStack) -> None:
    """Not "no client policy": an app would take that for an answer."""
    stack.policies.heads[APP] = PolicyHead(app=APP, latest=1, stable=1, revision=1)
    with pytest.raises(Unavailable):
        ServedClientPolicies(stack.policies).served(APP, "key", stack.now)


def test_server_forgets_apps_that_are_not_asked_for(stack: MemoryStack) -> None:
    """The attack: names that do not exist, by the million."""
    served = ServedClientPolicies(MemoryPolicies())
    for number in range(1_000):
        served.served(f"app-{number}", "key", stack.now)
    assert (len(served._heads._by_name), len(served._documents)) == (256, 64)
