"""Properties of drafts with known answers, and what the answers rest on."""

from __future__ import annotations

from pathlib import Path

import pytest
from attestation.appraisal.appraise import worst_tier
from attestation.appraisal.cedar.engine import CedarPolicy

from bonafide.operator.errors import OperatorError
from bonafide.prover.properties import EQUAL, NO_STRICTER, read_properties
from bonafide.prover.proving import Answer, Proof, Prover

pytestmark = pytest.mark.long

NOW = 1_780_000_000.0
POLICIES = Path(__file__).parents[3] / "policies"
ALL = "permit (principal, action, resource);"


def proof_of(policy: str, annotation: str, about: str = ALL, *, now: float = NOW) -> Proof:
    (wanted,) = read_properties(f'@property("it")\n{annotation}\n{about}')
    return Prover(policy, now=now).prove(wanted)


def forbid(rule: str, condition: str, *, who: str = "principal", action: str = "action", more: str = "") -> str:
    return f'{ALL}\n@id("{rule}")\n{more}\nforbid ({who}, {action}, resource)\nwhen {{ {condition} }};'


AFFIRM = 'action == Action::"affirm"'
UNLOCKED = "permit (principal is Android, action, resource)\nwhen { !principal.device_locked };"
SIGNALS = 'context.signals has hooking && context.signals.hooking.source == "hardware"'


@pytest.mark.parametrize(
    ("policy", "annotation", "about", "answer"),
    [
        (forbid("u", "!principal.device_locked", who="principal is Android"), '@never("warning")', UNLOCKED, "proved"),
        (
            forbid("u", "!principal.device_locked", who="principal is Android", action=AFFIRM),
            '@never("warning")', UNLOCKED, "refuted",
        ),
        (
            forbid("u", "!principal.device_locked", who="principal is Android", action=AFFIRM),
            '@never("affirming")', UNLOCKED, "proved",
        ),
        (
            forbid("u", "!principal.device_locked", who="principal is Android", more='@mode("observe")'),
            '@never("warning")', UNLOCKED, "refuted",
        ),
        (
            forbid("u", "!principal.device_locked", who="principal is Android", more='@expires("2026-01-01")'),
            '@never("warning")', UNLOCKED, "refuted",
        ),
        (ALL, '@always("affirming")', ALL, "proved"),
        (forbid("b", "!(context has build)", action=AFFIRM), '@always("warning")', ALL, "proved"),
        (forbid("b", "!(context has build)", action=AFFIRM), '@always("affirming")', ALL, "refuted"),
        # An evaluation that fails refuses, and here one can: 2^63 more is no number.
        (
            forbid("o", "context.client_policy_version + 9223372036854775807 < 0"),
            '@always("warning")', ALL, "refuted",
        ),
        (forbid("o", "context.client_policy_version + 0 < -9000", action=AFFIRM), '@always("warning")', ALL, "proved"),
        (forbid("s", SIGNALS), '@monotone("signals")', ALL, "proved"),
        (forbid("s", "!(context.signals has hooking)"), '@monotone("signals")', ALL, "refuted"),
        (
            forbid("s", "!(context.signals has other && context.signals.other.contains(\"x\"))", action=AFFIRM),
            '@monotone("signals")', ALL, "refuted",
        ),
        ('@id("p")\n' + ALL, '@reachable("p")', ALL, "proved"),
        ('@id("p")\n' + ALL + ALL, '@reachable("p")', ALL, "refuted"),
        (
            '@id("p")\npermit (principal is Apple, action, resource)\nwhen { principal.receipt_verified };\n'
            '@id("no-iphone")\nforbid (principal is Apple, action, resource);',
            '@reachable("p")', ALL, "refuted",
        ),
        (
            forbid("t", 'principal.key_storage like "*oft*"'),
            '@never("warning")', 'permit (principal, action, resource) when { principal.key_storage == "software" };',
            "proved",
        ),
        # Values that the schema calls closed: there is no third one.
        (
            forbid("e", '["production", "development", "test"].contains(principal.environment)'),
            '@never("warning")', ALL, "proved",
        ),
    ],
)  # fmt: skip
def test_drafts_with_known_answers(policy: str, annotation: str, about: str, answer: str) -> None:
    proof = proof_of(policy, annotation, about)

    assert (proof.answer, proof.because) == (answer, proof.because)
    assert (proof.witness is None) is (answer == ("refuted" if "reachable" in annotation else "proved")), (
        "facts stand with what a policy does, and only with that"
    )


def test_refuting_facts_are_judged_by_the_engine() -> None:
    policy = forbid("u", "!principal.device_locked", who="principal is Android", action=AFFIRM)
    witness = proof_of(policy, '@never("warning")', UNLOCKED).witness

    assert witness is not None
    assert witness.facts.claims["device_locked"] is False
    assert worst_tier(CedarPolicy.compile(policy).judge(witness.facts, now=NOW)) == witness.tier == "warning"


def test_property_about_no_facts_is_not_proved() -> None:
    """The mistake: a word that never occurs. It would hold of any policy."""
    about = 'permit (principal, action, resource) when { principal.environment == "prodution" };'
    proof = proof_of(ALL, '@never("warning")', about)

    assert proof.answer is Answer.UNKNOWN
    assert "no facts" in proof.because


@pytest.mark.parametrize("condition", ['ip("10.0.0.1").isLoopback()', 'decimal("1.0").lessThan(decimal("2.0"))'])
def test_what_the_solver_is_not_told_is_unknown(condition: str) -> None:
    proof = proof_of(forbid("i", condition), '@always("warning")')

    assert proof.answer is Answer.UNKNOWN
    assert "not told" in proof.because


def test_out_of_time_is_unknown() -> None:
    squares = "principal.attestation_version * principal.attestation_version * principal.attestation_version"
    cubes = "principal.origin * principal.origin * principal.origin"
    third = "principal.package_version * principal.package_version * principal.package_version"
    policy = forbid("f", f"{squares} + {cubes} == {third} && principal.origin > 2 && principal.package_version > 2"
                    " && principal.attestation_version > 2", who="principal is Android")  # fmt: skip
    (wanted,) = read_properties(f'@property("fermat")\n@always("affirming")\n{ALL}')
    proof = Prover(policy, now=NOW, patience=0.2).prove(wanted)

    assert proof.answer in (Answer.UNKNOWN, Answer.REFUTED)  # refuted: by an overflow, which refuses


def test_comparisons() -> None:
    strict = (POLICIES / "strict-bank" / "appraisal.cedar").read_text("utf-8")
    observed = forbid("o", "!(context has build)", more='@mode("observe")')

    assert Prover(strict, now=NOW).compare(EQUAL, strict).answer is Answer.PROVED
    assert Prover(ALL, now=NOW).compare(EQUAL, observed).answer is Answer.PROVED, "observed rules are left out"
    assert Prover(ALL, now=NOW).compare(NO_STRICTER, strict).answer is Answer.PROVED
    assert Prover(strict, now=NOW).compare(NO_STRICTER, ALL).answer is Answer.REFUTED
    advised = forbid("b", "!(context has build)", more='@advice("update-app")')
    differs = Prover(advised, now=NOW).compare(EQUAL, forbid("b", "!(context has build)"))
    assert differs.answer is Answer.REFUTED, "other advice is another answer"
    assert Prover(advised, now=NOW).compare(NO_STRICTER, forbid("b", "!(context has build)")).answer is Answer.PROVED


@pytest.mark.parametrize(
    ("one", "other", "equal", "no_stricter"),
    [
        (forbid("b", "!(context has build)"), forbid("c", "!(context has build)"), "refuted", "proved"),
        (
            forbid("b", "!(context has build)", more='@block("1h")'),
            forbid("b", "!(context has build)", more='@block("2h")'), "refuted", "proved",
        ),
        (
            forbid("b", "!(context has build)", action=AFFIRM), forbid("b", "!(context has build)"),
            "refuted", "proved",
        ),
        (
            forbid("b", "!(context has build)"), forbid("b", "!(context has build)", action=AFFIRM),
            "refuted", "refuted",
        ),
        (
            forbid("b", "context has build && context.client_policy_version > 3"),
            forbid("b", "if context has build then !(context.client_policy_version <= 3) else false"),
            "proved", "proved",
        ),
        (forbid("b", "context.client_policy_version * 0 == 0"), forbid("b", "true"), "proved", "proved"),
    ],
    ids=["other id", "other block", "milder", "stricter", "rewritten", "reckoned"],
)  # fmt: skip
def test_comparisons_with_known_answers(one: str, other: str, equal: str, no_stricter: str) -> None:
    prover = Prover(one, now=NOW)

    assert (prover.compare(EQUAL, other).answer, prover.compare(NO_STRICTER, other).answer) == (equal, no_stricter)


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in POLICIES.glob("*/properties.cedar")))
def test_properties_of_starters_are_proved(folder: str) -> None:
    prover = Prover((POLICIES / folder / "appraisal.cedar").read_text("utf-8"), now=NOW)
    proofs = [prover.prove(one) for one in read_properties((POLICIES / folder / "properties.cedar").read_text("utf-8"))]

    assert [(proof.of.name, proof.because) for proof in proofs if proof.answer is not Answer.PROVED] == []


def test_permit_that_is_not_there_is_named() -> None:
    with pytest.raises(OperatorError, match='no permit with the id "gone"'):
        proof_of(ALL, '@reachable("gone")')
