"""What one appraisal costs under the default policy: facts, judgement and findings, beside plain code and raw Cedar."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from timeit import repeat

import cedarpy
from attestation.appraisal.cedar.engine import CedarPolicy, default_policy
from attestation.appraisal.facts import facts_of
from attestation.appraisal.policy import AppraisalContext
from attestation.claims import Claims

from tests.benchmarks.extent import SHORT, budget
from tests.plain_policy.generated_contexts import NOW
from tests.plain_policy.strict_policy import StrictPolicy
from tests.unit.android.play_scene import judged, payload
from tests.unit.android.scene import Scene, claims_of
from tests.unit.apple_mutations.genuine_facts import GENUINE
from tests.unit.harmony.sound_facts import SOUND

BUDGET = 300
"""Microseconds for one decision whose answer is not remembered."""

ROUNDS = 25 if SHORT else 250
RUNS = 3 if SHORT else 20


def main() -> None:
    """Microseconds per decision, the best of twenty short runs, since machines have other things to do."""
    android = claims_of(Scene.default())
    devices = {
        "Apple": GENUINE,
        "Android": android,
        "Android with Play": android.with_play(replace(judged(payload()), requested_at=NOW)),
        "HarmonyOS": SOUND,
    }
    print("Appraisal, µs per decision, facts included")
    print("                      Cedar  budget        remembered  plain code  raw Cedar: parsed once  text each time")
    for name, claims in devices.items():
        cedar, remembered, plain, parsed, text = _costs(claims)
        print(
            f"  {name:18}{cedar:7.1f} {budget(f'≤ {BUDGET}', cedar, BUDGET):<13} {remembered:7.1f} {plain:11.1f} "
            f"{parsed:23.1f} {text:15.1f}"
        )
    print("  Cedar: facts not met before. Remembered: those whose answer is kept, which asks Cedar nothing.")


def _costs(claims: Claims) -> list[float]:
    context = AppraisalContext(claims=claims, client_data=None, now=NOW)
    policy, plain = default_policy(), StrictPolicy()
    fresh = CedarPolicy.compile(policy.text)

    def not_met() -> None:
        fresh.forget()
        fresh.findings(context)

    parsed = cedarpy.PolicySet.from_str(policy.text)
    return [
        _microseconds(not_met),
        _microseconds(lambda: policy.findings(context)),
        _microseconds(lambda: plain.findings(context)),
        _microseconds(lambda: _raw(context, parsed)),
        _microseconds(lambda: _raw(context, policy.text), rounds=20),
    ]


def _raw(context: AppraisalContext, policies: cedarpy.PolicySet | str) -> None:
    facts = facts_of(context)
    principal = {"type": facts.kind, "id": facts.key_id}
    request = {
        "principal": principal,
        "action": {"type": "Action", "id": "affirm"},
        "resource": {"type": "App", "id": facts.app},
        "context": json.dumps(facts.context),
    }
    cedarpy.is_authorized(request, policies, json.dumps([{"uid": principal, "attrs": facts.claims, "parents": []}]))


def _microseconds(call: Callable[[], object], *, rounds: int = ROUNDS) -> float:
    return min(repeat(call, number=rounds, repeat=RUNS)) / rounds * 1e6


if __name__ == "__main__":
    main()
