"""What is known of an app's policies, as a change of them needs it: documents, proposals, and who was last."""

from __future__ import annotations

from dataclasses import dataclass

from service.errors import Unreadable
from service.policies.changes import PolicyConflict, PolicyOutcome, published, standing
from service.policies.documents import EMPTY_CLIENT_POLICY, Documents, built_in, client_document
from service.policies.store import Policies
from service.policies.versions import Effect, PolicyHead, PolicyVersion, StoredPolicy


@dataclass(frozen=True, slots=True)
class KnownPolicies:
    """Reads the table for publishers. Every method raises :class:`PolicyConflict` for what is not there or does not
    hold, and :class:`~service.errors.Unavailable`."""

    policies: Policies

    def completed(self, head: PolicyHead, appraisal: str | None, client: str | None) -> Documents:
        """A draft with what it lacks, as it is in force."""
        if appraisal is None and client is None:
            raise PolicyConflict("The draft holds no document: neither an appraisal policy nor a client policy.")
        if client is not None:
            client_document(client)  # an empty text is none, and must not take the one in force away
        if appraisal is not None and client is not None:
            return Documents(appraisal, client)  # without a look at what is in force: it may be what has to be repaired
        stable = self.documents(head.app, head.stable)
        if head.canary is not None:
            canary = self.documents(head.app, head.canary.version)
            # The attack is a mistake: a fix of one document that takes the other one, tried on 5 %, to everybody.
            for name, given, here, there in (
                ("appraisal policy", appraisal, stable.appraisal, canary.appraisal),
                ("client policy", client, stable.client, canary.client),
            ):
                if given is None and here != there:
                    raise PolicyConflict(
                        f"The draft has no {name}, and two are in force. {standing(head)} Promote or roll back first, "
                        "or publish both documents."
                    )
        return Documents(
            stable.appraisal if appraisal is None else appraisal, stable.client if client is None else client
        )

    def restored(self, head: PolicyHead, target: int) -> Documents:
        """The documents of an older version, in a form that takes the place of the newer ones."""
        documents = self.documents(head.app, target)
        newest = max(head.stable, 0 if head.canary is None else head.canary.version)
        if not documents.client and self._may_have_client(head.app, newest):
            return documents._replace(client=EMPTY_CLIENT_POLICY)
        return documents

    def _may_have_client(self, app: str, version: int) -> bool:
        """Whether apps may hold the client policy of a version; also where the version is lost, which is the very
        reason for going back."""
        try:
            return bool(self.documents(app, version).client)
        except (PolicyConflict, Unreadable):
            return True

    def replaced(self, head: PolicyHead) -> Documents:
        """What is in force for everybody outside a rollout, to compare with; empty texts where that is lost."""
        try:
            return self.documents(head.app, head.stable)
        except (PolicyConflict, Unreadable):
            return Documents("", "")

    def was_withdrawn(self, head: PolicyHead) -> bool:
        """Whether a rollback took back what was in force for everybody just before."""
        if head.withdrawn is not None or head.stable == 0:
            return bool(head.withdrawn)
        stable = self.policies.find(head.app, head.stable)  # a head that an older release wrote
        return stable is None or stable.version.restores is not None

    def documents(self, app: str, version: int) -> Documents:
        """The documents of a version; version 0 is the built-in default."""
        if version == 0:
            return built_in()
        stored = self.policies.find(app, version)
        if stored is None:
            raise PolicyConflict(f"There is no version {version} of the policy of {app}.")
        return Documents(stored.appraisal, stored.client)

    def proposed(self, head: PolicyHead, number: int) -> StoredPolicy:
        """The proposal ``number``, which must be the one that waits."""
        proposed = self.policies.find_proposal(head.app, number)
        if proposed is None:
            raise PolicyConflict(f"There is no proposal {number} for {head.app}.")
        if head.proposal != number:
            raise PolicyConflict(f"Proposal {number} does not wait any more. {self.latest(head)}")
        return proposed

    def require_current(self, head: PolicyHead, facts: PolicyVersion) -> None:
        """Refuse a proposal that was made for an older state of affairs: its author never saw what it would replace."""
        if facts.based_on != head.latest:
            raise PolicyConflict(
                f"Proposal {facts.version} was made when version {facts.based_on} was the latest. {self.latest(head)} "
                "Reject the proposal and propose it again."
            )

    def require_seen(self, head: PolicyHead, expected: int) -> None:
        """Refuse an author who has not seen the latest version: publishing would undo what somebody else just did."""
        if head.latest < expected:
            raise PolicyConflict(f"There is no version {expected} of the policy of {head.app}. {standing(head)}")
        if head.latest > expected:
            raise PolicyConflict(f"{self.latest(head)} You had seen version {expected}: look at it, then try again.")

    def again(
        self, head: PolicyHead, wish: PolicyVersion, appraisal: str | None, client: str | None
    ) -> PolicyOutcome | None:
        """What came of a publication, when the very same was asked for before and its answer was lost."""
        if head.proposal is not None:
            waits = self.policies.find_proposal(head.app, head.proposal)
            if waits is not None and _is_same(waits, wish, appraisal, client):
                return PolicyOutcome(head=head, proposed=waits.version)
        newest = self.policies.find(head.app, head.latest)
        if newest is None or not _is_same(newest, wish, appraisal, client):
            return None
        not_before = head.tokens_from if wish.effect is Effect.NOW else None
        return PolicyOutcome(head=head, added=newest.version, not_before=not_before)

    def latest(self, head: PolicyHead) -> str:
        """Who published the latest version, and when."""
        newest = self.policies.history(head.app, limit=1)
        if not newest:
            return f"Nothing is published for {head.app}."
        return published(newest[0])


def _is_same(stored: StoredPolicy, wish: PolicyVersion, appraisal: str | None, client: str | None) -> bool:
    facts = stored.version
    asked = (wish.by, wish.why, wish.effect, wish.rollout, wish.based_on)
    return (
        (facts.by, facts.why, facts.effect, facts.rollout, facts.based_on) == asked
        and (facts.restores, facts.promotes) == (None, None)
        and appraisal in (None, stored.appraisal)
        and client in (None, stored.client)
    )
