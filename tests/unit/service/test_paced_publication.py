"""A policy that takes effect at once for those it names, and over a grace for the others: from publishing to the check
of a token, over the functions' own code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from bonafide_tokens.errors import Rejected
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.pacing.new_pacing import MAX_KEYS, packed_keys, prefixes_of
from bonafide_tokens.pacing.paced import MEMBERS, Paced, refused_from
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.token import VerifiedToken
from bonafide_tokens.trust_bundle import AppStatus, TrustBundle
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from service.admin.policies import AskedPacing, PublishPolicy
from service.fallback_modes import PolicyApproval
from service.keys import publishing
from service.policies.store import Effect, PolicyChange
from service.tables.audit import app_subject
from service.tables.not_before import not_before_row
from service.tables.paced.stored import StoredPacing
from service.tables.revocations import TOKENS, statuses_of

from devkit.devices.app_instance import AppInstance
from devkit.devices.client import PROOF_HEADER, TOKEN_HEADER
from tests.service_stack.events import json_of, rest_event
from tests.service_stack.memory_stack import APP, VERIFIER_ORIGIN, MemoryStack

ANNA = "arn:aws:iam::111122223333:user/anna"
START = 1_780_000_000
BERTA = "arn:aws:iam::111122223333:user/berta"
PERMIT = "permit (principal, action, resource);\n"
ANDROID = StoredPacing(seconds=240, at_once=({"platform": ["android"]},))
URL = VERIFIER_ORIGIN + "/v1/signals"


def publish(stack: MemoryStack, pacing: StoredPacing | None = ANDROID, **more: Any) -> PolicyChange:
    """Publish a policy at once, and the trust bundle that says so."""
    change = stack.publishing.publish(
        APP,
        appraisal=PERMIT,
        why="tool xyz",
        effect=Effect.NOW,
        pacing=pacing,
        expected_version=stack.policies.head(APP).latest,
        who=ANNA,
        now=stack.now,
        **more,
    )
    bundle(stack)
    return change


def bundle(stack: MemoryStack) -> TrustBundle:
    return stack.rotation.publisher.publish(now=stack.now)


def status(stack: MemoryStack) -> AppStatus:
    return stack.revocations.statuses(stack.now)[APP]


def names(predicates: tuple[dict[str, Any], ...], token: VerifiedToken) -> bool:
    return any(all(MEMBERS[name](token, said) for name, said in each.items()) for each in predicates)


def used(stack: MemoryStack, device: AppInstance, token: str) -> tuple[int, dict[str, Any]]:
    """Status and body of a call that presents a token."""
    body = json.dumps({"signals": ["screen-recording"]}).encode()
    proof = device.proof(method="POST", url=URL, token=token, content_digest=content_digest(body))
    event = rest_event("POST", "/v1/signals", body.decode(), headers={TOKEN_HEADER: token, PROOF_HEADER: proof})
    answer = stack.handlers["POST", "/v1/signals"](event, None)
    return answer["statusCode"], json_of(answer) if answer.get("body") else {}


def renewed(stack: MemoryStack, device: AppInstance) -> str:
    data = device.client_data(stack.challenge())
    return str(json_of(stack.send("POST", "/v1/tokens", device.renewal_body(data)))["token"])


def test_named_tokens_are_refused_at_once_and_the_others_in_their_turn(stack: MemoryStack) -> None:
    """The whole story: condemned, served until its moment, `reattest`, renewed, served."""
    condemned, genuine = stack.android(), stack.installation()
    tokens = [str(stack.enrol(device)["token"]) for device in (condemned, genuine)]
    change = publish(stack)
    assert change.not_before is not None
    moment = refused_from(genuine.bonafide_key_id, change.not_before, 240)

    stack.now = change.not_before
    code, problem = used(stack, condemned, tokens[0])
    assert (code, problem["action"]) == (401, "reattest")
    assert used(stack, genuine, tokens[1])[0] == 202

    stack.now = moment - 0.01
    assert used(stack, genuine, tokens[1])[0] == 202
    stack.now = moment
    code, problem = used(stack, genuine, tokens[1])
    assert (code, problem["action"]) == (401, "reattest")
    assert used(stack, genuine, renewed(stack, genuine))[0] == 202, "one renewal, and it goes on"


def test_publication_that_names_nothing_refuses_all_at_once(stack: MemoryStack) -> None:
    """As ever."""
    device = stack.installation()
    token = str(stack.enrol(device)["token"])
    change = publish(stack, None)
    assert status(stack) == AppStatus(float(change.not_before or 0))
    stack.now += 2
    assert used(stack, device, token)[0] == 401


def test_audit_entry_and_history_say_the_predicate(stack: MemoryStack) -> None:
    """An operator who looks later sees what was refused at once, what was not, and until when."""
    named = replace(ANDROID, keys=2, keys_digest="ab")
    publish(stack, named)
    (entry,) = stack.policies.audit.newest(app_subject(APP))
    assert entry.details["grace_seconds"] == 240
    assert json.loads(str(entry.details["at_once"])) == [{"platform": ["android"]}]
    assert (entry.details["keys_at_once"], entry.details["keys_digest"]) == (2, "ab")
    (version,) = stack.policies.history(APP)
    assert version.to_record()["pacing"] == named.to_record()
    publish(stack, None)
    assert "at_once" not in stack.policies.audit.newest(app_subject(APP))[0].details


def test_publication_during_anothers_grace_softens_nothing_of_the_first(stack: MemoryStack) -> None:
    """A token from before both is let through by both, or not at all."""
    first = publish(stack).not_before
    stack.now += 10
    second = publish(stack, StoredPacing(seconds=60, at_once=({"tier": ["warning"]},))).not_before
    paced = status(stack).paced
    assert [(each.start, each.after) for each in paced] == [(second, first), (first, 0)]
    stack.now += 75
    assert status(stack).paced == (), "the second grace is over, and the first one's tokens are older still"


def test_fifth_publication_ends_the_oldest_grace(stack: MemoryStack) -> None:
    """At most four are alive; what is older than those is refused at once."""
    moments = []
    for _ in range(5):
        moments.append(publish(stack, replace(ANDROID, seconds=3600)).not_before)
        stack.now += 10
    assert [each.start for each in status(stack).paced] == moments[:0:-1]


def test_rollback_during_a_grace(stack: MemoryStack) -> None:
    """At the next renewal it changes nothing of the grace; at once it ends it, or begins another one."""
    first = publish(stack).not_before
    stack.now += 10
    stack.publishing.rollback(APP, why="false alarm", who=ANNA, now=stack.now)
    assert [each.start for each in status(stack).paced] == [first]
    again = stack.publishing.rollback(
        APP, to=1, why="no", effect=Effect.NOW, pacing=ANDROID, who=ANNA, now=stack.now
    ).not_before
    assert [each.start for each in status(stack).paced] == [again, first]
    stack.now += 10
    last = stack.publishing.rollback(APP, to=0, why="stop", effect=Effect.NOW, who=ANNA, now=stack.now).not_before
    assert status(stack) == AppStatus(float(last or 0))


def test_partial_rollout_is_paced_for_all_keys(stack: MemoryStack) -> None:
    """The not-before is the app's, also where the policy is active for a part of the keys; so is promotion's."""
    first = publish(stack, rollout=5).not_before
    stack.now += 10
    second = stack.publishing.promote(
        APP, version=1, why="quiet", effect=Effect.NOW, pacing=ANDROID, who=ANNA, now=stack.now
    ).not_before
    assert [each.start for each in status(stack).paced] == [second, first]
    assert stack.policies.audit.newest(app_subject(APP))[0].details["grace_seconds"] == 240


def test_proposal_is_paced_as_it_was_proposed(stack: MemoryStack) -> None:
    """The second person approves what is refused at once, too."""
    stack.publishing = stack.publishing_as(PolicyApproval.TWO_PERSON)
    assert publish(stack).not_before is None
    approved = stack.publishing.approve(APP, proposal=1, who=BERTA, now=stack.now)
    assert [(each.start, each.at_once) for each in status(stack).paced] == [(approved.not_before, ANDROID.at_once)]
    assert stack.policies.audit.newest(app_subject(APP))[0].details["grace_seconds"] == 240


def test_slow_publication_moves_its_pacing_with_it(stack: MemoryStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The not-before is put off, and what it softens with it; what was refused before stays so."""
    before = publish(stack, None).not_before
    stack.now += 5
    move = stack.policies.move

    def slow(change: PolicyChange) -> bool:
        moved = move(change)
        stack.now += 9
        return moved

    monkeypatch.setattr(stack.policies, "move", slow)
    moment = publish(stack).not_before
    assert [(each.start, each.after) for each in status(stack).paced] == [(moment, before)]


def test_same_call_again_changes_nothing(stack: MemoryStack) -> None:
    """An answer was lost; a call that names something else is another one."""
    first = publish(stack)
    known: Any = {"why": "tool xyz", "effect": Effect.NOW, "expected_version": 0, "who": ANNA, "now": stack.now}
    again = stack.publishing.publish(APP, appraisal=PERMIT, pacing=ANDROID, **known)
    assert (again.not_before, again.pacing, again.entry) == (first.not_before, ANDROID, None)
    with pytest.raises(Exception, match="version 0"):
        stack.publishing.publish(APP, appraisal=PERMIT, pacing=replace(ANDROID, seconds=9), **known)


def test_what_does_not_take_effect_at_once_cannot_be_paced(stack: MemoryStack) -> None:
    """There is nothing to pace."""
    with pytest.raises(ValueError, match="at once"):
        stack.publishing.publish(APP, appraisal=PERMIT, pacing=ANDROID, why="x", expected_version=0, who=ANNA, now=1.0)


def named(numbers: Iterable[int]) -> frozenset[int]:
    return frozenset(number * 2**40 for number in numbers)


def entries_of(bundle: TrustBundle) -> tuple[Paced, ...]:
    return bundle.apps[APP].paced


@pytest.fixture
def small_bundles(stack: MemoryStack, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Leaves so many characters for what a bundle says of keys."""

    def limit(room: int) -> None:
        latest = stack.trust_bundles.latest(stack.rotation.publisher.issuer)
        assert latest is not None
        monkeypatch.setattr(publishing, "MAX_TRUST_BUNDLE_CHARACTERS", len(latest.jws) + room)

    return limit


def test_pacing_that_does_not_fit_is_all_at_once_and_stays_so(
    stack: MemoryStack, small_bundles: Callable[[int], None]
) -> None:
    """Blocked keys come first. When there is room again, tokens that were refused are not revived."""
    small_bundles(1_000)
    stack.revocations.key_lists["large"] = named(range(900))
    publish(stack)
    fitting = bundle(stack)
    assert [each.at_once for each in entries_of(fitting)] == [ANDROID.at_once]

    stack.now += 10
    moment = publish(stack, replace(ANDROID, keys=900, keys_digest="large")).not_before
    full = bundle(stack)
    assert (full.apps[APP].tokens_not_before, entries_of(full)) == (moment, ())

    small_bundles(1_000_000)
    assert entries_of(bundle(stack)) == (), "there is room, and it stays refused"
    stack.now += 10
    later = publish(stack).not_before
    assert [(each.start, each.after) for each in entries_of(bundle(stack))] == [(later, moment)]


def test_not_before_that_is_put_off_revives_nothing(stack: MemoryStack) -> None:
    """A bundle was published before a slow change was put off: what it refuses, the next one refuses, too."""
    moment = publish(stack).not_before
    assert moment is not None
    tokens = [VerifiedToken(APP, f"key-{n}", "ios", "affirming", "1", 1, "jti", moment - 9, 0, "") for n in range(500)]
    refused = [token for token in tokens if _refuses(bundle(stack).apps[APP], token, moment + 20)]
    assert 0 < len(refused) < 500

    stack.policies.put_off(stack.policies.head(APP), moment + 2, who=ANNA, pacing=ANDROID)
    following = bundle(stack).apps[APP]
    assert following.tokens_not_before == moment + 2
    assert all(_refuses(following, token, moment + 20) for token in refused)


def test_keys_that_are_lost_make_it_all_at_once(stack: MemoryStack) -> None:
    """Fail closed: the row that has them is gone, or is not what its digest says."""
    publish(stack, replace(ANDROID, keys=3, keys_digest="gone"))
    assert status(stack).paced == ()


PACINGS = st.builds(
    StoredPacing,
    seconds=st.integers(1, 300),
    at_once=st.lists(
        st.sampled_from([{"platform": ["android"]}, {"app_build_below": 120}, {"tier": ["warning"]}]),
        min_size=1, max_size=2,
    ).map(tuple),
)  # fmt: skip
CHANGES = st.tuples(st.sampled_from([0, 0, 1, 30, 120]), st.integers(-2, 2), st.none() | PACINGS)


@given(
    changes=st.lists(CHANGES, min_size=1, max_size=8),
    key=st.integers(0, 99),
    issued_at=st.integers(-9, 9) | st.integers(0, 600),
    platform=st.sampled_from(["ios", "android"]),
    build=st.sampled_from(["119", "120", None]),
)
@example([(0, 0, ANDROID), (0, -1, None)], 1, -5, "ios", "120")  # all at once within the second of a paced one
@example([(0, 0, ANDROID), (0, 0, replace(ANDROID, seconds=9))], 1, -5, "android", "120")  # two of one second
@example([(0, 0, None), (30, 0, ANDROID), (1, 0, ANDROID)], 1, -5, "ios", "120")  # refused before any was paced
@example([(1, 0, replace(ANDROID, seconds=300))] * 8, 1, -5, "ios", "120")  # more than four
def test_whatever_is_published_every_change_holds_and_nothing_is_revived(
    changes: list[tuple[int, int, StoredPacing | None]], key: int, issued_at: int, platform: str, build: str | None
) -> None:
    """Paced or not, in one second or in many, more than four, by clocks that differ: a token that a change refuses at
    once, or whose grace is over, is refused from then on."""
    token = VerifiedToken(APP, f"key-{key}", platform, "affirming", build, 1, "jti", issued_at + START, 0, "")
    row: dict[str, Any] | None = None
    now, refused, made = START, False, list[tuple[int, StoredPacing | None]]()
    for gap, skew, pacing in changes:
        now += gap
        moment = now + skew
        if row is None or row["not_before"] < moment or "paced" in row:  # else nothing is written
            row = {"app": APP, "revoked": TOKENS, **not_before_row(row, moment, pacing)}
        made.append((moment, pacing))
        for later in (now, now + gap / 2):
            status = statuses_of([row], later)[APP]
            refuses = _refuses(status, token, later)
            assert refuses or not refused
            assert not refuses or token.issued_at < status.tokens_not_before
            assert refuses or not any(_must_refuse(each, token, later) for each in made)
            refused = refuses
        now = int(now + gap / 2)


def _refuses(status: AppStatus, token: VerifiedToken, now: float) -> bool:
    try:
        status.require(token, now=now)
    except Rejected:
        return True
    return False


def _must_refuse(change: tuple[int, StoredPacing | None], token: VerifiedToken, now: float) -> bool:
    moment, pacing = change
    if token.issued_at >= moment:
        return False
    return pacing is None or now >= moment + pacing.seconds or names(pacing.at_once, token)


KEY = "aGVsbG8taGVsbG8taGVsbG8taGVsbG8taGVsbG8taGU"
PACKED = b64url_encode(packed_keys(prefixes_of([KEY])))


@pytest.mark.parametrize(
    "pacing",
    [
        {},
        {"seconds": 60},
        {"seconds": 60, "at_once": []},
        {"seconds": 60, "at_once": [{}]},
        {"seconds": 60, "at_once": [{"platform": []}]},
        {"seconds": 60, "at_once": [{"platform": ["symbian"]}]},
        {"seconds": 60, "at_once": [{"tier": ["contraindicated"]}]},
        {"seconds": 60, "at_once": [{"app_build": [""]}]},
        {"seconds": 60, "at_once": [{"app_build": ["x" * 65]}]},
        {"seconds": 60, "at_once": [{"app_build_below": -1}]},
        {"seconds": 60, "at_once": [{"app_build_below": "120"}]},
        {"seconds": 60, "at_once": [{"app_build_below": 120.0}]},
        {"seconds": 60, "at_once": [{"model": ["x"]}]},
        {"seconds": 60, "at_once": [{"platform": ["ios"]}] * 17},
        {"seconds": 60, "at_once": [{"app_build": [f"{n}{'é' * 60}" for n in range(64)]}]},
        {"seconds": 0, "at_once": [{"platform": ["ios"]}]},
        {"seconds": 3601, "at_once": [{"platform": ["ios"]}]},
        {"seconds": 60, "keys": PACKED[:-1]},
        {"seconds": 60, "keys": PACKED + "="},
        {"seconds": 60, "keys": b64url_encode(packed_keys(prefixes_of([KEY])) * 2)},
        {"seconds": 60, "keys": b64url_encode(packed_keys(named([1, 2]))[::-1])},
        {"seconds": 60, "keys": b64url_encode(packed_keys(named(range(MAX_KEYS + 1))))},
        {"seconds": 60, "keys": KEY, "model": "x"},
    ],
)
def test_pacing_that_cannot_be_meant_is_refused(pacing: dict[str, object]) -> None:
    """With 400, before anything is read or written."""
    with pytest.raises(ValidationError):
        AskedPacing.model_validate(pacing)


def test_pacing_of_an_operator_is_what_gates_read() -> None:
    """Members that are absent are not there."""
    asked = AskedPacing.model_validate({"seconds": 60, "at_once": [{"app_build_below": 120}], "keys": PACKED})
    assert asked.pacing() == (60, ({"app_build_below": 120},), prefixes_of([KEY]))
    with pytest.raises(ValidationError, match="effect now"):
        PublishPolicy.model_validate({"app": APP, "why": "x", "expected_version": 0, "pacing": asked.model_dump()})
