"""What a policy's findings are: errors, permits, observed and expired rules, borders of ages, and bounds of memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from attestation.appraisal.appraise import appraise_context, worst_tier
from attestation.appraisal.builds import BuildComparison, BuildMatch, UnknownBuilds
from attestation.appraisal.cedar import engine as cedar_policy
from attestation.appraisal.cedar.engine import CedarPolicy, default_policy
from attestation.appraisal.facts import Facts, facts_of
from attestation.appraisal.policy import AppraisalContext
from attestation.appraisal.result import Finding, Tier
from attestation.claims import Claims

from tests.minted_claims import changed_claims
from tests.plain_policy.generated_contexts import generated_contexts
from tests.unit.android.play_scene import judged, payload
from tests.unit.android.scene import Scene, claims_of
from tests.unit.cedar.devices import DEVICES
from tests.unit.harmony.sound_facts import SOUND, VERDICT

NOW = 1_780_000_000.0
PERMIT = "permit (principal, action, resource);\n"
ANDROID: Claims = claims_of(Scene.default())
IPHONE = DEVICES["iPhone from the App Store"]
PIXEL = DEVICES["Pixel from Google Play"]


def _judge(text: str, facts: Facts = IPHONE, now: float | None = NOW) -> tuple[Finding, ...]:
    return CedarPolicy.compile(text).judge(facts, now=now)


def _without(facts: Facts, *names: str) -> Facts:
    return facts._replace(claims={name: value for name, value in facts.claims.items() if name not in names})


@pytest.mark.parametrize(
    ("permits", "findings"),
    [
        (PERMIT, ()),
        ('permit (principal, action == Action::"accept", resource);', (Finding("not-affirmed", Tier.WARNING),)),
        ("permit (principal is Android, action, resource);", (Finding("no-permit", Tier.CONTRAINDICATED),)),
        ('permit (principal, action == Action::"affirm", resource);', (Finding("no-permit", Tier.CONTRAINDICATED),)),
        ('@expires("2020-01-01") ' + PERMIT, (Finding("no-permit", Tier.CONTRAINDICATED),)),
    ],
)
def test_what_nothing_permits_is_refused(permits: str, findings: tuple[Finding, ...]) -> None:
    """Cedar's default is to deny, and it has a name in decision records."""
    assert _judge(permits) == findings


@pytest.mark.parametrize("effect", ["forbid", "permit"])
def test_rule_that_cannot_be_evaluated_refuses(effect: str) -> None:
    """Cedar skips it; a skipped forbid would let in whom it was written against."""
    rule = f'@id("a") {effect} (principal is Android, action, resource) when '
    text = PERMIT + rule + "{ principal.attestation_version * 9223372036854775807 > 5 };"
    assert _judge(text, PIXEL) == (Finding("policy-error", Tier.CONTRAINDICATED),)
    assert _judge(text, IPHONE) == ()


def test_attribute_that_should_be_there_and_is_not_refuses() -> None:
    """Claims of a key without its platform's part: every rule about it would be skipped."""
    for name in ("device_locked", "verified_boot_state", "play_expected", "key_storage", "purposes"):
        findings = default_policy().judge(_without(PIXEL, name), now=NOW)
        assert findings == (Finding("policy-error", Tier.CONTRAINDICATED),), name


def test_number_in_the_place_of_a_truth_value_refuses() -> None:
    """To Python 1 equals True. To Cedar it is an error, also where a true one was judged before."""
    policy = CedarPolicy.compile(default_policy().text)
    assert policy.judge(PIXEL, now=NOW) == ()
    odd = PIXEL._replace(claims={**PIXEL.claims, "device_locked": 1})
    assert policy.judge(odd, now=NOW) == (Finding("policy-error", Tier.CONTRAINDICATED),)
    assert policy.judge(PIXEL, now=NOW) == ()


def test_facts_that_cedar_cannot_read_refuse() -> None:
    """NaN is no JSON, whatever Python's encoder says."""
    odd = PIXEL._replace(claims={**PIXEL.claims, "security_level": float("nan")})
    assert default_policy().judge(odd, now=NOW) == (Finding("policy-error", Tier.CONTRAINDICATED),)


@pytest.mark.parametrize("value", [object(), b"bytes", {1, 2}])
def test_mistake_of_our_own_surfaces_and_refuses_no_device(value: object) -> None:
    """Facts that are no JSON are a bug: an alarm and 503, not a refusal of genuine devices by the thousand."""
    with pytest.raises(TypeError):
        default_policy().judge(PIXEL._replace(claims={**PIXEL.claims, "security_level": value}), now=NOW)


def test_key_of_a_type_that_no_schema_has_surfaces() -> None:
    """Nothing reads it from a record or makes it of claims, so it is a bug."""
    with pytest.raises(KeyError):
        default_policy().judge(PIXEL._replace(kind="Symbian"), now=NOW)


def test_observed_rule_never_changes_a_tier() -> None:
    """Whatever it says, and whomever it is about."""
    observed = PERMIT + '@id("a") @mode("observe") forbid (principal, action, resource);'
    policy = CedarPolicy.compile(observed)
    for context in generated_contexts(4, 100):
        result = appraise_context(context, policy)
        assert result.findings == (Finding("a", Tier.CONTRAINDICATED, enforced=False),)
        assert result.tier is Tier.AFFIRMING


def test_observing_the_default_policy_affirms_every_device() -> None:
    """The same rules, recorded: a policy can be tried out on real traffic and refuse no device."""
    text = (
        "\n".join(
            line if line.startswith("@mode") or not line.startswith("@id") else f'{line}\n@mode("observe")'
            for line in default_policy().text.replace('@mode("observe")\n', "").splitlines()
        )
        .replace('@id("build-unknown")', '@id("build-{n}")')
        .replace('@id("build-unmeasured")', '@id("build-{n}")')
    )
    while "{n}" in text:
        text = text.replace("{n}", f"n{text.count('{n}')}", 1)
    policy, findings = CedarPolicy.compile(text), 0
    for context in generated_contexts(5, 200):
        found = policy.findings(context)
        findings += len(found)
        assert worst_tier(found) is Tier.AFFIRMING
    assert findings > 200


@pytest.mark.parametrize(
    ("written", "moment"),
    [("2026-12-31", "2026-12-31T00:00:00"), ("2026-12-31T18:00:00Z", "2026-12-31T18:00:00")],
)
def test_rule_expires_at_the_second(written: str, moment: str) -> None:
    """It is there until that moment, and from it on it is not."""
    policy = CedarPolicy.compile(PERMIT + f'@id("a") @expires("{written}") forbid (principal, action, resource);')
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    there = (Finding("a", Tier.CONTRAINDICATED),)
    for now, findings in ((at - 1, there), (at - 0.001, there), (at, ()), (at + 1, ()), (None, there), (at - 1, there)):
        assert policy.judge(IPHONE, now=now) == findings, now


def test_rules_expire_one_by_one() -> None:
    """Each at its own time, the rest stays."""
    rule = '@id("a{0}") @expires("2026-12-0{0}") forbid (principal, action, resource);'
    policy = CedarPolicy.compile(PERMIT + "".join(rule.format(day) for day in (3, 1, 2)))
    for day, left in ((1, ["a3", "a2"]), (2, ["a3"]), (3, [])):
        now = datetime(2026, 12, day, tzinfo=UTC).timestamp()
        assert [finding.rule for finding in policy.judge(IPHONE, now=now)] == left


@pytest.mark.parametrize(("age", "old"), [(86_399, False), (86_400, False), (86_401, True), (86_400.001, True)])
def test_verdicts_are_old_after_24_hours_to_the_second(age: float, old: bool) -> None:
    """Whole hours rounded up make `> 24` exact."""
    play = ANDROID.with_play(replace(judged(payload()), requested_at=NOW - age))
    integrity = SOUND.with_device_integrity(replace(VERDICT, checked_at=NOW - age))
    for claims, rule in ((play, "play-verdict-old"), (integrity, "harmony-device-integrity-old")):
        found = default_policy().findings(AppraisalContext(claims=claims, client_data=None, now=NOW))
        assert (rule in {finding.rule for finding in found}) is old
        without = default_policy().findings(AppraisalContext(claims=claims, client_data=None, now=None))
        assert rule not in {finding.rule for finding in without}


@pytest.mark.parametrize(
    ("moment", "age"),
    [("2026-04-30T23:59:59", 24), ("2026-05-01T00:00:00", 25), ("2026-05-01T00:00:01", 25)],
)
def test_patch_level_ages_with_the_month(moment: str, age: int) -> None:
    """In UTC, at midnight; 24 months are not yet old."""
    assert ANDROID.android is not None
    claims = changed_claims(ANDROID, android=replace(ANDROID.android, os_patch_level=202404))
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    context = AppraisalContext(claims=claims, client_data=None, now=now)
    assert facts_of(context).claims["patch_age_months"] == age
    found = {finding.rule for finding in default_policy().findings(context)}
    assert ("android-patch-level-old" in found) is (age > 24)


def test_vector_under_other_ids_says_what_the_facts_say() -> None:
    """Rules may be called anything: the vector must not read affirming because their names are unknown."""
    refusing = CedarPolicy.compile(PERMIT + '@id("my-rule") forbid (principal is Android, action, resource);')
    lowering = CedarPolicy.compile(
        PERMIT + '@id("another") forbid (principal is Android, action == Action::"affirm", resource);'
    )
    assert ANDROID.android is not None
    unlocked = changed_claims(ANDROID, android=replace(ANDROID.android, device_locked=False))
    differing = BuildComparison(match=BuildMatch.DIFFERS, build="42", unknown=UnknownBuilds.WARN)

    def vector(claims: Claims, policy: CedarPolicy, build: BuildComparison | None = None) -> tuple[int, int]:
        context = AppraisalContext(claims=claims, client_data=None, now=NOW, build=build)
        found = appraise_context(context, policy).trustworthiness
        return found["configuration"], found["executables"]

    assert vector(ANDROID, CedarPolicy.compile(PERMIT)) == (2, 3)
    assert vector(ANDROID, lowering) == (36, 3)
    assert vector(ANDROID, refusing) == (96, 3)
    assert vector(unlocked, refusing) == (96, 99)
    assert vector(ANDROID, refusing, differing) == (96, 96)
    assert vector(ANDROID, lowering, differing) == (36, 33)


def test_answers_kept_are_bounded() -> None:
    """A client that sends ever new facts costs itself time, and us no memory; the findings stay exact."""
    contexts = list(generated_contexts(6, 300))
    free = CedarPolicy.compile(default_policy().text)
    expected = [free.findings(context) for context in contexts]
    bounded = CedarPolicy.compile(default_policy().text, kept=20)
    held = 0
    for context, findings in zip(contexts, expected, strict=True):
        assert bounded.findings(context) == findings
        assert len(bounded._sets) <= 3  # one for each type of key
        assert len(bounded._judged) <= 20
        held = max(held, len(bounded._judged))
    assert (held, len(free._judged) > 20) == (20, True)


def test_answers_kept_take_no_more_memory_for_longer_facts() -> None:
    """They are kept by digest: forty kilobytes of an app's own text, two thousand times, are forty kilobytes once."""
    policy = CedarPolicy.compile(
        PERMIT + '@id("a") forbid (principal, action, resource) when { context has model && context.model like "x*" };'
    )
    filler = "y" * 40_000
    tracemalloc.start()
    try:
        for number in range(cedar_policy.MAX_JUDGED):
            policy.judge(IPHONE._replace(context={**IPHONE.context, "model": f"{filler}{number}"}), now=NOW)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(policy._judged) == cedar_policy.MAX_JUDGED
    assert held < cedar_policy.MAX_JUDGED * cedar_policy.MAX_BYTES_KEPT


def test_answers_kept_are_bounded_by_what_they_find_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy of a thousand rules that all object makes long answers: then fewer are kept."""
    monkeypatch.setattr(cedar_policy, "MAX_BYTES_KEPT", 700)
    rules = "".join(f'@id("r{number}") forbid (principal, action, resource);\n' for number in range(100))
    policy = CedarPolicy.compile(
        PERMIT
        + rules
        + '@id("a") forbid (principal, action, resource) when { context has model && context.model like "x*" };',
        kept=20,
    )
    longest = 0
    for number in range(60):
        found = policy.judge(IPHONE._replace(context={**IPHONE.context, "model": f"y{number}"}), now=NOW)
        assert len(found) == 100
        longest = max(longest, len(policy._judged))
    assert longest == 13


def test_facts_whose_texts_run_together_are_told_apart() -> None:
    """A digest of what is read must not make two questions one."""
    assert len({cedar_policy._digest(texts) for texts in [("ab", "c"), ("a", "bc"), ("abc",), ("ab", "", "c")]}) == 4


@pytest.mark.parametrize("condition", ['when { context.event == "enrol" }', 'unless { context.event == "renew" }'])
@pytest.mark.parametrize("action", ["action", 'action == Action::"affirm"'])
def test_permit_with_a_condition_lets_in_only_what_it_says(condition: str, action: str) -> None:
    """Also beside a forbid that matches: a warning is no way in."""
    rule = f'@id("a") forbid (principal, {action}, resource);'
    tier = Tier.CONTRAINDICATED if action == "action" else Tier.WARNING
    asked = {event: IPHONE._replace(context={**IPHONE.context, "event": event}) for event in ("enrol", "renew")}
    text = f"permit (principal, action, resource) {condition};\n{rule}"
    assert _judge(text, asked["enrol"]) == (Finding("a", tier),)
    assert _judge(text, asked["renew"]) == (Finding("a", tier), Finding("no-permit", Tier.CONTRAINDICATED))


@pytest.mark.parametrize(
    "scope", ['principal, action, resource == App::"elsewhere"', 'principal == Apple::"x", action, resource']
)
@pytest.mark.parametrize("action", ["action", 'action == Action::"affirm"'])
def test_permit_for_another_app_or_key_lets_nobody_else_in(scope: str, action: str) -> None:
    """Also beside a forbid that matches."""
    rule = f'@id("a") forbid (principal, {action}, resource);'
    tier = Tier.CONTRAINDICATED if action == "action" else Tier.WARNING
    found = _judge(f"permit ({scope});\n{rule}")
    assert found == (Finding("a", tier), Finding("no-permit", Tier.CONTRAINDICATED))


@pytest.mark.parametrize(
    ("condition", "findings"),
    [
        ('action == Action::"accept" && context.event == "renew"', (Finding("a", Tier.CONTRAINDICATED),)),
        ('context.event == "renew" && action == Action::"affirm"', (Finding("a", Tier.WARNING),)),
        ('context.event == "enrol" && action == Action::"accept"', ()),
        ('if action == Action::"accept" then true else false', (Finding("a", Tier.CONTRAINDICATED),)),
        ('if context.event == "renew" then action == Action::"affirm" else true', (Finding("a", Tier.WARNING),)),
        ('[action].contains(Action::"affirm")', (Finding("a", Tier.WARNING),)),
        ('{a: action}.a == Action::"affirm"', (Finding("a", Tier.WARNING),)),
        ('context.event == "renew"', (Finding("a", Tier.CONTRAINDICATED),)),
    ],
)
def test_condition_on_the_action_is_asked_for_each(condition: str, findings: tuple[Finding, ...]) -> None:
    """The linter refuses it, and what compiles is judged as it says."""
    rule = f'@id("a") forbid (principal, action, resource) when {{ {condition} }};'
    assert _judge(PERMIT + rule, IPHONE._replace(context={**IPHONE.context, "event": "renew"})) == findings


def test_answer_is_remembered_by_what_is_read_and_not_by_the_key() -> None:
    """A fleet of one model is one answer, and a fact that a rule reads makes another."""
    policy = CedarPolicy.compile(default_policy().text)
    for key in range(10):
        policy.judge(PIXEL._replace(key_id=f"k{key}"), now=NOW)
    assert len(policy._judged) == 1
    other = PIXEL._replace(claims={**PIXEL.claims, "key_storage": "software"})
    (finding,) = policy.judge(other, now=NOW)
    assert finding.rule == "software-key"
    older = other._replace(claims={**other.claims, "patch_age_months": 40})
    assert finding in policy.judge(older, now=NOW)
    assert any(again is finding for again in policy.judge(older, now=NOW)), "kept once for all answers"
    assert policy.judge(PIXEL, now=NOW) == ()


@pytest.mark.parametrize("operator", ["&&", "||"])
def test_long_condition_that_compiles_is_judged(operator: str) -> None:
    """A policy must not pass the compiler and then refuse, or stop, every key."""
    test = '["a", "b", "c", "d", "e", "f", "g", "h"].contains(context.event)'
    condition = f" {operator} ".join(["!" * (operator == "&&") + test] * 45)
    rule = f'@id("a") forbid (principal, action, resource) when {{ {condition} }};'
    findings = (Finding("a", Tier.CONTRAINDICATED),) if operator == "&&" else ()
    assert _judge(PERMIT + rule) == findings


def test_deep_branches_that_compile_are_judged() -> None:
    """Up to the depth that the compiler takes."""
    condition = 'if context.event == "a" then false else ' * 140 + "true"
    rule = f'@id("a") forbid (principal, action, resource) when {{ {condition} }};'
    assert _judge(PERMIT + rule) == (Finding("a", Tier.CONTRAINDICATED),)
