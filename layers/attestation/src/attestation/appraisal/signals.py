"""Which of the app's signals a verdict goes back to. Rules may be called anything, so their names say nothing: the
policy is asked again, with some of the signals left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from attestation.appraisal.facts import SIGNALS
from attestation.appraisal.policy import AppraisalContext, AppraisalPolicy
from attestation.appraisal.result import Tier
from attestation.client_data import Signal

_KNOWN = frozenset(SIGNALS)
_ANY = frozenset({Tier.WARNING, Tier.CONTRAINDICATED, Tier.NONE})
_REFUSING = frozenset({Tier.CONTRAINDICATED, Tier.NONE})


def lowering_signals(
    context: AppraisalContext, policy: AppraisalPolicy, *, refusing: bool = False
) -> tuple[Signal, ...]:
    """The signals of ``context``'s client data that lower its verdict under ``policy``; those that only ``refusing``
    findings go back to, if so asked.

    Each signal that policies know by name is tried alone, all others together. Where a rule minds signals only in
    company, all of them are named: in doubt, a signal counts.
    """
    client_data = context.client_data
    if client_data is None or not client_data.signals:
        return ()
    minded = _REFUSING if refusing else _ANY

    def objections(signals: Iterable[Signal]) -> frozenset[tuple[str, Tier]]:
        asked = replace(context, client_data=replace(client_data, signals=tuple(signals)))
        return frozenset((f.rule, f.tier) for f in policy.findings(asked) if f.enforced and f.tier in minded)

    calm = objections(())
    raised = objections(client_data.signals) - calm
    if not raised:
        return ()
    groups: dict[str, list[Signal]] = {}
    for signal in client_data.signals:
        groups.setdefault(signal.name if signal.name in _KNOWN else "", []).append(signal)
    lowering: list[Signal] = []
    explained: set[tuple[str, Tier]] = set()
    for group in groups.values():
        found = objections(group) - calm
        if found:
            lowering.extend(group)
            explained |= found
    return tuple(lowering) if raised <= explained else client_data.signals
