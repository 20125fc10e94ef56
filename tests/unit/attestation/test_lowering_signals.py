"""Which signals a verdict goes back to, whatever the rules are called."""

from __future__ import annotations

import pytest
from attestation.appraisal.cedar.engine import CedarPolicy
from attestation.appraisal.policy import AppraisalContext
from attestation.appraisal.signals import lowering_signals

from tests.unit.attestation.reported_signals import NOW, claims, said

PERMIT = "permit (principal, action, resource);\n"
HOOKED = """@id("tool-of-the-week")
forbid (principal, action, resource) when { context.signals has hooking };
"""
OVERLAID = """@id("quiet-please")
forbid (principal, action == Action::"affirm", resource) when { context.signals has overlay };
"""
ODD = """@id("odd-one")
forbid (principal, action, resource) when { context.signals has other && context.signals.other.contains("odd") };
"""
TOGETHER = """@id("both")
forbid (principal, action, resource) when { context.signals has hooking && context.signals has overlay };
"""
OBSERVED = HOOKED.replace("forbid", '@mode("observe")\nforbid')
ONLY_WHEN_CALM = "permit (principal, action, resource) unless { context.signals has hooking };\n"


@pytest.mark.parametrize(
    ("policy", "signals", "refusing", "lowering"),
    [
        (PERMIT + HOOKED, ("hooking", "overlay"), False, ["hooking"]),
        (PERMIT + HOOKED, ("overlay",), False, []),
        (PERMIT + OVERLAID, ("hooking", "overlay"), False, ["overlay"]),
        (PERMIT + OVERLAID, ("hooking", "overlay"), True, []),
        (PERMIT + ODD, ("even", "odd", "hooking"), False, ["even", "odd"]),
        (PERMIT + TOGETHER, ("hooking", "overlay", "root"), True, ["hooking", "overlay", "root"]),
        (PERMIT + OBSERVED, ("hooking",), False, []),
        (ONLY_WHEN_CALM, ("hooking", "root"), True, ["hooking"]),
        (PERMIT + HOOKED, (), False, []),
    ],
)
def test_signals_are_found_by_what_they_change(
    policy: str, signals: tuple[str, ...], refusing: bool, lowering: list[str]
) -> None:
    """Each known one alone, the unknown ones together, all of them where a rule minds them only in company."""
    context = AppraisalContext(claims=claims(None), client_data=said(*signals), now=NOW, app="demo")
    found = lowering_signals(context, CedarPolicy.compile(policy), refusing=refusing)
    assert [signal.name for signal in found] == lowering


def test_request_without_client_data_has_no_signals() -> None:
    """Nothing was said, so nothing lowers."""
    context = AppraisalContext(claims=claims(None), client_data=None, now=NOW, app="demo")
    assert lowering_signals(context, CedarPolicy.compile(PERMIT + HOOKED)) == ()
