"""Active policies: by which version of an app's policy a key is judged at this moment."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from attestation.appraisal.appraise import appraise_context
from attestation.appraisal.cedar.engine import CedarPolicy, PolicyInvalid, default_policy
from attestation.appraisal.facts import facts_of
from attestation.appraisal.policy import AppraisalContext, AppraisalPolicy
from attestation.appraisal.result import AttestationResult

from service.errors import Unavailable, Unreadable
from service.policies.store import PolicyHead, PolicyHeads
from service.telemetry.decisions import DecisionRecord, count

MOST_COMPILED: Final = 64
"""How many versions a process keeps compiled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivePolicy:
    """The policy that judges a key: version 0 is the built-in default. ``client_policy_version`` is 0 where there is no
    client policy.

    ``tokens_from`` is the earliest time (Unix seconds) that a token judged by it may be dated: see
    :class:`~service.policies.store.PolicyHead`.
    """

    version: int
    appraisal: AppraisalPolicy
    client_policy_version: int
    tokens_from: int = 0

    def appraise(self, context: AppraisalContext, record: DecisionRecord) -> AttestationResult:
        """Judge ``context``, and note on ``record`` what was looked at, what came out, and which client policy the
        caller shall have."""
        record.client_policy_version = self.client_policy_version
        record.note_facts(facts_of(context))
        result = appraise_context(context, self.appraisal)
        record.note_result(result)
        return result


@dataclass(slots=True)
class ActivePolicies:
    """Compiled policies over the table. Safe to share between threads.

    Which version is active is said by the head, which is read at every call or given; a version never changes and is
    read and compiled once. Nothing is judged by anything weaker: what cannot be read or compiled is ``Unavailable``.
    """

    policies: PolicyHeads
    compile: Callable[[str, int], AppraisalPolicy] = field(
        default=lambda text, version: CedarPolicy.compile(text, version=version)
    )
    default: Callable[[], AppraisalPolicy] = default_policy
    _compiled: OrderedDict[tuple[str, int], _Compiled] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        self.default()  # compiled at INIT, where CPU is free

    def for_key(self, app: str, key_id: str, now: float) -> ActivePolicy:
        """The policy that judges ``key_id`` at ``now``. Raises :class:`~service.errors.Unavailable`."""
        del now  # the head says what holds at this moment; nothing in it expires
        return self.of_head(self.policies.head(app), key_id)

    def of_head(self, head: PolicyHead, key_id: str) -> ActivePolicy:
        """The policy that judges ``key_id`` by a head that was read. Raises :class:`~service.errors.Unavailable`."""
        app, version = head.app, head.active_for(key_id)
        if version == 0:
            return ActivePolicy(
                version=0, appraisal=self.default(), client_policy_version=0, tokens_from=head.tokens_from
            )
        compiled = self._version(app, version)
        if compiled.appraisal is None:
            count("PolicyUnreadable")
            raise Unavailable(f"version {version} of the policy of {app} does not compile")
        return ActivePolicy(
            version=version,
            appraisal=compiled.appraisal,
            client_policy_version=compiled.client_policy_version,
            tokens_from=head.tokens_from,
        )

    def _version(self, app: str, version: int) -> _Compiled:
        key = (app, version)
        with self._lock:
            found = self._compiled.get(key)
            if found is None:
                found = self._compiled[key] = self._read(app, version)
            self._compiled.move_to_end(key)
            while len(self._compiled) > MOST_COMPILED:
                self._compiled.popitem(last=False)
            return found

    def _read(self, app: str, version: int) -> _Compiled:
        try:
            stored = self.policies.find(app, version)
        except Unreadable:
            count("PolicyUnreadable")
            raise
        if stored is None:
            count("PolicyUnreadable")
            raise Unavailable(f"version {version} of the policy of {app} is missing")
        try:
            appraisal = self.compile(stored.appraisal, version)
        except PolicyInvalid:
            # Kept, too: the text will not change, and trying again would cost every request that meets it.
            return _Compiled(None, 0)
        return _Compiled(appraisal, stored.client_version)


@dataclass(frozen=True, slots=True)
class _Compiled:
    appraisal: AppraisalPolicy | None
    client_policy_version: int
