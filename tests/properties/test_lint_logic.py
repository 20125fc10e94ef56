"""The linter's logic against Cedar's own evaluation: its claims are true, and what it passes keeps the signals' law."""

from __future__ import annotations

from attestation.appraisal.cedar.engine import CedarPolicy
from attestation.appraisal.facts import Facts
from attestation.appraisal.lint.lint import lint_appraisal
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.cedar.devices import DEVICES

NOW = 1_790_000_000.0
PHONE = DEVICES["iPhone from the App Store"]
PERMIT = "permit (principal, action, resource);\n"
CLAIMED = {"impossible-condition", "unreachable-permit", "idle-forbid"}

_PLAIN = st.sampled_from(
    [
        'context.event == "enrol"', 'context.event != "renew"', '["renew", "signal"].contains(context.event)',
        "context.client_policy_version > 1", "context.client_policy_version <= 0", "context.client_policy_version == 2",
        'principal.platform == "macos"', "principal.receipt_verified", 'context.event like "*n*"',
        "principal is Apple", "principal has counter", "true",
    ]
)  # fmt: skip
_SIGNALS = st.sampled_from(
    [
        "context.signals has root", "(context.signals has root && context.signals.root.reported)",
        '(context.signals has root && context.signals.root.source == "app")',
        '(context.signals has root && context.signals.root.source != "app")',
        '(context.signals has other && context.signals.other.contains("new"))',
        "(context.signals has other && !context.signals.other.isEmpty())",
        '(context.signals has hooking && context.signals.hooking has detail && context.signals.hooking.detail == "f")',
    ]
)  # fmt: skip


def _conditions(atoms: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            inner.map(lambda one: f"!({one})"),
            st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda three: f"({' '.join(three)})"),
            st.tuples(inner, inner, inner).map(lambda three: f"(if {three[0]} then {three[1]} else {three[2]})"),
        )

    return st.recursive(atoms, grown, max_leaves=6)


WORLDS = [
    Facts(
        PHONE.kind,
        PHONE.app,
        PHONE.key_id,
        {**PHONE.claims, "platform": platform, "receipt_verified": receipt, **counter},
        {"event": event, "client_policy_version": version, "signals": {}},
    )
    for platform in ("ios", "macos")
    for receipt in (True, False)
    for counter in ({}, {"counter": 3})
    for event in ("enrol", "renew", "signal", "secret")
    for version in (0, 1, 2, 3)
]


def _codes(text: str) -> set[str]:
    return {message.code for message in lint_appraisal(text, now=NOW)}


@given(_conditions(_PLAIN), _conditions(_PLAIN))
@settings(max_examples=60, deadline=None)
def test_what_is_called_unreachable_lets_no_device_in(allowed: str, refused: str) -> None:
    """A permit under a condition, a forbid under another: the claim is checked in every world there is."""
    text = (
        f"permit (principal is Apple, action, resource) when {{ {allowed} }};\n"
        f'@id("x") forbid (principal is Apple, action, resource) when {{ {refused} }};\n'
    )
    codes = _codes(text)
    assert codes <= CLAIMED
    policy = CedarPolicy.compile(text)
    findings = [{finding.rule for finding in policy.judge(world, now=NOW)} for world in WORLDS]
    if "unreachable-permit" in codes:
        assert all(found for found in findings)
    if "idle-forbid" in codes:
        assert all("no-permit" in found for found in findings if "x" in found)
    if not codes:
        assert any(not found for found in findings)


@given(_conditions(st.one_of(_PLAIN, _SIGNALS)), st.booleans(), st.sampled_from(["renew", "enrol"]))
@settings(max_examples=80, deadline=None)
def test_forbid_that_lints_never_refuses_less_for_one_more_report(condition: str, rooted: bool, event: str) -> None:
    """The law itself, by evaluation: a hostile app gains nothing by saying more."""
    text = PERMIT + f'@id("x") forbid (principal is Apple, action, resource) when {{ {condition} }};\n'
    if _codes(text) - CLAIMED:
        return
    policy = CedarPolicy.compile(text)
    before: dict[str, object] = {"root": {"source": "hardware", "reported": False}} if rooted else {}

    def refused(signals: dict[str, object]) -> bool:
        facts = PHONE._replace(context={"event": event, "client_policy_version": 1, "signals": signals})
        return any(finding.rule == "x" for finding in policy.judge(facts, now=NOW))

    source = "hardware" if rooted else "app"
    for more in (
        {"root": {"source": source, "reported": True}},
        {"hooking": {"source": "app", "reported": True, "detail": "f"}},
        {"other": ["new"]},
    ):
        assert refused({**before, **more}) >= refused(before)
