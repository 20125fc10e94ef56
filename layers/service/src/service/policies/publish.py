"""Publishing policies: publish, promote, roll back, approve, reject. Every rule about versions is here.

Both documents are one version. A version is checked, compiled and signed before anything is written, and written in one
transaction with the head and the audit entry: it is active as a whole or not there at all. Of those who publish at
the same time one wins, and the others are told who it was.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from attestation.client_policy import SignedClientPolicy, sign_client_policy

from service.errors import Unavailable
from service.fallback_modes import PolicyApproval
from service.keys.kms import RootKey
from service.policies.app_states import REMEMBERED
from service.policies.digest import digest_of
from service.policies.documents import (
    Documents,
    PolicyConflict,
    PolicyReader,
    PolicyRefused,
    check,
    client_document,
    difference,
    promoted,
    refused_client,
    status_sentence,
)
from service.policies.second_person import SecondPersonNeeded, require_author, require_second_person
from service.policies.store import (
    Canary,
    Effect,
    Policies,
    PolicyChange,
    PolicyHead,
    PolicyMessage,
    PolicyVersion,
)
from service.tables.audit import AuditEntry, app_subject
from service.tables.paced.stored import StoredPacing

__all__ = ["PolicyConflict", "PolicyPublishing", "PolicyRefused", "SecondPersonNeeded"]

MAX_WHY: Final = 500
"""Most characters of a reason."""

COMMIT_ALLOWANCE: Final = 0.5
"""Seconds that a move may take, as a rule, from the look at the clock until it is done. See :meth:`_carry_out`."""

CLOCKS_AGREE: Final = 0.1
"""Seconds by which the clocks of our processes may differ."""

_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPublishing:
    """The use cases, over one stack. ``issuer`` stands in client policies; processes go by a head for ``remembered`` s.

    Every method takes ``who`` (the caller's ARN), ``why`` and ``now`` (Unix seconds), and raises
    :class:`PolicyConflict`, or :class:`~service.errors.Unavailable` when it is not known whether something was written;
    :meth:`publish`, :meth:`rollback` and :meth:`approve` also :class:`~service.policies.documents.PolicyRefused`.
    """

    policies: Policies
    root_key: RootKey
    issuer: str
    approval: PolicyApproval = PolicyApproval.OFF
    remembered: float = REMEMBERED
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def publish(
        self,
        app: str,
        *,
        appraisal: str | None = None,
        client: str | None = None,
        why: str,
        rollout: int = 100,
        effect: Effect = Effect.NEXT_RENEWAL,
        pacing: StoredPacing | None = None,
        expected_version: int,
        who: str,
        now: float,
    ) -> PolicyChange:
        """Publish a draft for ``rollout`` percent (1 … 100) of an app's keys; a document that is ``None`` stays as it
        is. ``expected_version`` is the latest that the author saw. Under the two-person rule the outcome is a
        proposal. The same call again, whose answer was lost, has the same outcome and changes nothing. ``pacing`` is
        how older tokens are refused where it takes effect at once: not all of them together."""
        _require_request(why=why, who=who, rollout=rollout)
        head = self.policies.head(app)
        told: Any = {"who": who, "why": why, "rollout": rollout, "effect": effect, "pacing": pacing, "now": now}
        asked = replace(self._wish(head, Documents("", ""), **told), based_on=expected_version)
        again = self._reader.again(head, asked, appraisal, client)
        if again is not None:
            return again

        def build(head: PolicyHead) -> PolicyChange:
            self._reader.require_seen(head, expected_version)
            documents = self._reader.completed(head, appraisal, client)
            wish = self._wish(head, documents, **told)
            return self._proposal(head, documents, wish) if self._needs_two else self._version(head, documents, wish)

        return self._carry_out(app, build, who)

    def promote(
        self,
        app: str,
        *,
        version: int,
        rollout: int = 100,
        why: str,
        effect: Effect = Effect.NEXT_RENEWAL,
        pacing: StoredPacing | None = None,
        who: str,
        now: float,
    ) -> PolicyChange:
        """Raise the rollout of the ``version`` that is rolling out; at 100 % it is active for all keys. Under the
        two-person rule the outcome is a proposal: approving a policy for 1 % does not approve it for all."""
        _require_request(why=why, who=who, rollout=rollout)

        def build(head: PolicyHead) -> PolicyChange:
            moved = promoted(head, version, rollout)
            if self._needs_two:
                documents = self._reader.of(app, version)
                wish = self._wish(
                    head, documents, who=who, why=why, rollout=rollout, effect=effect, pacing=pacing, now=now
                )
                return self._proposal(head, documents, replace(wish, promotes=version))
            entry = _entry_of(
                app, "promote-policy", who=who, why=why, now=now, version=version, rollout=rollout, effect=effect.value,
                **_paced(pacing),
            )  # fmt: skip
            return PolicyChange(read=head, head=moved, entry=entry, effect=effect, pacing=pacing)

        return self._carry_out(app, build, who)

    def rollback(
        self,
        app: str,
        *,
        to: int | None = None,
        why: str,
        effect: Effect = Effect.NEXT_RENEWAL,
        pacing: StoredPacing | None = None,
        expected_version: int | None = None,
        who: str,
        now: float,
    ) -> PolicyChange:
        """Publish the documents of an older version as a new one, for all keys.

        ``to`` is by default the version that was stable just before: what a rollout under way would have replaced,
        otherwise what the active version replaced. Going back to it needs no second person, unless a rollback took
        that very version back: one person could then undo what another did about it.
        """
        _require_request(why=why, who=who, rollout=100)

        def build(head: PolicyHead) -> PolicyChange:
            if expected_version is not None:
                self._reader.require_seen(head, expected_version)
            before = head.previous if head.canary is None else head.stable
            target = before if to is None else to
            if target is None or head.latest == 0:
                raise PolicyConflict(f"There is nothing to go back to. {status_sentence(head)}")
            if head.canary is None and target == head.stable:
                raise PolicyConflict(f"Version {target} is the active one. {status_sentence(head)}")
            documents = self._reader.restored(head, target)
            wish = self._wish(head, documents, who=who, why=why, effect=effect, pacing=pacing, now=now, restores=target)
            withdrawn = head.canary is None and self._needs_two and self._reader.was_withdrawn(head)
            alone = not self._needs_two or (target == before and not withdrawn)
            return self._version(head, documents, wish) if alone else self._proposal(head, documents, wish)

        return self._carry_out(app, build, who)

    def approve(self, app: str, *, proposal: int, why: str = "", who: str, now: float) -> PolicyChange:
        """Make a proposal active, exactly as it was proposed. No author approves a proposal of their own."""
        _require_request(why=why or "-", who=who, rollout=100)

        def build(head: PolicyHead) -> PolicyChange:
            proposed = self._reader.proposed(head, proposal)
            require_second_person(proposed, who)
            self._reader.require_current(head, proposed)
            documents = Documents(proposed.appraisal, proposed.client)
            if proposed.promotes is not None:
                entry = self._told(
                    head, documents, proposed, "approve-policy", who=who, why=why or proposed.why,
                    promotes=proposed.promotes, approved_proposal=proposal, proposed_by=proposed.by,
                )  # fmt: skip
                moved = replace(promoted(head, proposed.promotes, proposed.rollout), proposal=None)
                return PolicyChange(read=head, head=moved, entry=entry, effect=proposed.effect, pacing=proposed.pacing)
            wish = replace(proposed, approved_by=who, at=int(now))
            return self._version(head, documents, wish, proposal=proposal, why=why)

        return self._carry_out(app, build, who)

    def reject(self, app: str, *, proposal: int, why: str, who: str, now: float) -> PolicyChange:
        """Withdraw a proposal. Its author may do so, too."""
        _require_request(why=why, who=who, rollout=100)

        def build(head: PolicyHead) -> PolicyChange:
            author = self._reader.author_of(head, proposal)
            entry = _entry_of(app, "reject-policy", who=who, why=why, now=now, proposal=proposal, proposed_by=author)
            return PolicyChange(read=head, head=replace(head, proposal=None), entry=entry)

        return self._carry_out(app, build, who)

    @property
    def _reader(self) -> PolicyReader:
        return PolicyReader(self.policies)

    @property
    def _needs_two(self) -> bool:
        return self.approval is PolicyApproval.TWO_PERSON

    def _wish(
        self,
        head: PolicyHead,
        documents: Documents,
        *,
        who: str,
        why: str,
        effect: Effect,
        pacing: StoredPacing | None,
        now: float,
        rollout: int = 100,
        restores: int | None = None,
    ) -> PolicyVersion:
        """What the caller wants to publish; its number is given by :meth:`_version` or :meth:`_proposal`. Raises
        :class:`ValueError` for pacing of what does not take effect at once."""
        if pacing is not None and effect is not Effect.NOW:
            raise ValueError("only what takes effect at once is paced")
        return PolicyVersion(
            app=head.app,
            version=0,
            why=why,
            by=who,
            at=int(now),
            effect=effect,
            rollout=rollout,
            based_on=head.latest,
            digest=digest_of(*documents),
            has_client=bool(documents.client),
            restores=restores,
            pacing=pacing,
        )

    def _proposal(self, head: PolicyHead, documents: Documents, wish: PolicyVersion) -> PolicyChange:
        """The change that lays ``wish`` before a second person. Nothing is signed: see :class:`StoredPolicy`."""
        require_author(wish.by)
        if head.proposal is not None:
            raise PolicyConflict(f"Proposal {head.proposal} of {head.app} waits already: approve or reject it first.")
        warnings = self._checked(head, documents, wish)
        facts = replace(wish, version=head.proposals + 1)
        moved = replace(head, proposal=facts.version, proposals=facts.version)
        entry = self._told(
            head, documents, facts, "propose-policy", who=facts.by, why=facts.why, proposal=facts.version,
            promotes=facts.promotes,
        )  # fmt: skip
        return PolicyChange(read=head, head=moved, entry=entry, proposed=facts.holding(*documents), warnings=warnings)

    def _version(
        self,
        head: PolicyHead,
        documents: Documents,
        wish: PolicyVersion,
        *,
        proposal: int | None = None,
        why: str = "",
    ) -> PolicyChange:
        """The change that makes ``wish`` active as the next version. A waiting proposal is dropped with it."""
        warnings = self._checked(head, documents, wish)
        facts = replace(wish, version=head.latest + 1)
        if facts.rollout < 100:
            moved = replace(head, canary=Canary(facts.version, facts.rollout))
        else:
            # Calling off a rollout changes nothing for the other keys, nor which version they had before.
            moved = replace(head, stable=facts.version, canary=None)
            if head.canary is None or facts.restores != head.stable:
                moved = replace(moved, previous=head.stable, withdrawn=facts.restores is not None)
        moved = replace(moved, latest=facts.version, proposal=None)
        action = "publish-policy" if facts.restores is None else "roll-back-policy"
        entry = self._told(
            head,
            documents,
            facts,
            action if proposal is None else "approve-policy",
            who=facts.approved_by or facts.by,
            why=why or facts.why,
            version=facts.version,
            approved_proposal=proposal,
            dropped_proposal=head.proposal if head.proposal != proposal else None,
            proposed_by=facts.by if facts.approved_by else None,
        )
        added = facts.holding(*documents, self._signed(facts, documents.client) if documents.client else "")
        return PolicyChange(
            read=head, head=moved, entry=entry, effect=facts.effect, added=added, pacing=facts.pacing, warnings=warnings
        )

    def _checked(self, head: PolicyHead, documents: Documents, wish: PolicyVersion) -> tuple[PolicyMessage, ...]:
        if head.canary is not None and wish.rollout < 100 and wish.promotes is None:
            raise PolicyConflict(
                f"{status_sentence(head)} Promote it, roll it back, or publish for everyone: two versions cannot roll "
                "out at once."
            )
        return check(documents, now=wish.at, strict=wish.restores is None and wish.promotes is None)

    def _told(
        self,
        head: PolicyHead,
        documents: Documents,
        facts: PolicyVersion,
        action: str,
        *,
        who: str,
        why: str,
        **details: str | int | None,
    ) -> AuditEntry:
        return _entry_of(
            head.app,
            action,
            who=who,
            why=why,
            now=self.clock(),  # to the fraction of a second, so that entries sort as changes were made
            **details,
            based_on=facts.based_on,
            rollout=facts.rollout,
            effect=facts.effect.value,
            **_paced(facts.pacing),
            restores=facts.restores,
            digest=facts.digest,
            **difference(self._reader.replaced(head), documents),
        )

    def _signed(self, facts: PolicyVersion, client: str) -> str:
        document = client_document(client)
        policy = SignedClientPolicy(self.issuer, facts.app, facts.version, facts.at, document)
        try:
            return sign_client_policy(policy, sign=self.root_key.sign)
        except ValueError as error:
            raise refused_client(str(error)) from error

    def _carry_out(self, app: str, build: Callable[[PolicyHead], PolicyChange], who: str) -> PolicyChange:
        """Make a change for the head as it is, and carry it out unless another publisher was faster.

        With effect ``now``, tokens that were judged by the old head must be refused and those judged by the new one
        must not. A renewal dates its token by a clock that it reads before it reads the head, and by ``tokens_from`` at
        the earliest (:mod:`service.keys.token_issuer`). So it is enough that ``not_before`` lies after the moment at
        which the head moved. Hence the clock is read as late as possible, the move is given some time, and when it took
        longer the times are put off. All of that allows for more than our clocks may differ: the renewal's is another
        one. A process under load goes by the old head, with dates from before, for ``remembered`` seconds more. Relying
        parties hear of the change after that: an app that they refuse must not renew by the old head.
        """
        for _ in range(_ATTEMPTS):
            head = self.policies.head(app)
            change = build(head)
            not_before = int(self.clock() + COMMIT_ALLOWANCE) + 1 if change.effect is Effect.NOW else None
            moved = replace(change.head, revision=head.revision + 1, tokens_from=max(head.tokens_from, not_before or 0))
            change = replace(change, head=moved, not_before=not_before)
            if not self.policies.move(change):
                self._reader.require_unmoved(head)
                continue
            after = self.clock()
            if not_before is not None:
                if after + CLOCKS_AGREE >= not_before:
                    not_before = int(after + COMMIT_ALLOWANCE) + 1
                    self.policies.put_off(moved, not_before, who=who, pacing=change.pacing)
                self.sleep(max(0.0, after + self.remembered + CLOCKS_AGREE - self.clock()))
            return replace(change, not_before=not_before)
        raise Unavailable(f"the policy of {app} is being changed all the time")


def _require_request(*, why: str, who: str, rollout: int = 100) -> None:
    """Raises :class:`ValueError` for what no caller may pass on: no reason, no author, or no percentage."""
    if not why.strip() or len(why) > MAX_WHY:
        raise ValueError(f"a reason has 1 to {MAX_WHY} characters")
    if not who:
        raise ValueError("a change of policy needs an author")
    if not 1 <= rollout <= 100:
        raise ValueError("a rollout is 1 to 100 percent")


def _entry_of(app: str, action: str, *, who: str, why: str, now: float, **details: str | int | None) -> AuditEntry:
    """The audit entry of a change; details that are ``None`` are left out."""
    told = {name: value for name, value in details.items() if value is not None}
    return AuditEntry(subject=app_subject(app), at=now, who=who, action=action, why=why, details=told)


def _paced(pacing: StoredPacing | None) -> dict[str, str | int | None]:
    """What an audit entry says of pacing: nothing where all older tokens are refused at once."""
    if pacing is None:
        return {}
    keys: dict[str, str | int | None] = {"keys_at_once": pacing.keys, "keys_digest": pacing.keys_digest}
    return {"grace_seconds": pacing.seconds, "at_once": json.dumps(pacing.at_once), **(keys if pacing.keys else {})}
