"""The two documents of a policy version: what keeps them from being published, how they differ from others, and which
of them an app has."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

from attestation.appraisal.cedar.engine import CedarPolicy, PolicyInvalid, default_policy
from attestation.appraisal.lint.lint import lint_appraisal
from attestation.appraisal.lint.message import LintMessage

from service.errors import Unreadable
from service.policies.client_policy_document import document_of
from service.policies.client_policy_lint import lint_client
from service.policies.store import (
    Canary,
    Effect,
    Policies,
    PolicyChange,
    PolicyHead,
    PolicyMessage,
    PolicyVersion,
    StoredPolicy,
)

APPRAISAL: Final = "appraisal"
CLIENT: Final = "client"

MAX_DOCUMENT_BYTES: Final = 64 * 1024
"""Most bytes of either document. With the signed client policy both fit into one DynamoDB item of 400 KB."""

EMPTY_CLIENT_POLICY: Final = '{"format": 1}\n'
"""The client policy that asks for nothing. Apps that have one never go back to none: silence is what an attacker who
cuts the line would send. So a rollback to before the first one publishes this."""

_MAX_COMPARED_LINES: Final = 4_000
_SHOWN_WHY: Final = 80


class PolicyConflict(Exception):
    """The request does not fit the active policy. ``sentence`` tells an operator why, and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class PolicyRefused(Exception):
    """Documents with errors; nothing was written. ``messages`` has the warnings, too."""

    def __init__(self, messages: Iterable[PolicyMessage]) -> None:
        self.messages = tuple(messages)
        super().__init__("; ".join(message.text for message in self.messages if message.severity == "error"))


class Documents(NamedTuple):
    """An appraisal policy (Cedar text) and a client policy (JSON text, empty for none)."""

    appraisal: str
    client: str


def built_in() -> Documents:
    """The policy of apps for which nothing was published: version 0."""
    return Documents(default_policy().text, "")


def check(documents: Documents, *, now: float, strict: bool = True) -> tuple[PolicyMessage, ...]:
    """The warnings about documents that may be published. Raises :class:`PolicyRefused` for others.

    ``now`` (Unix seconds) decides what has expired. Without ``strict``, for documents that were active before, what
    linters object to is only a warning: going back must not fail for a rule that has expired since. What does not
    compile is refused all the same: no device could be judged by it.
    """
    errors = list(_unusable(documents))
    if errors:
        raise PolicyRefused(errors)
    messages = [_message(APPRAISAL, message) for message in lint_appraisal(documents.appraisal, now=now)]
    if documents.client:
        messages += [_message(CLIENT, message) for message in lint_client(documents.client, now=now)]
    if strict and any(message.severity == "error" for message in messages):
        raise PolicyRefused(messages)
    try:
        CedarPolicy.compile(documents.appraisal)
    except PolicyInvalid as error:
        raise PolicyRefused([*messages, _error(APPRAISAL, "does-not-compile", str(error))]) from error
    return tuple(messages)


def client_document(text: str) -> Mapping[str, object]:
    """What is signed of a client policy's text. Raises :class:`PolicyRefused`."""
    try:
        return document_of(text)
    except ValueError:
        raise PolicyRefused([_error(CLIENT, "unreadable", "No app could read this client policy.")]) from None


def refused_client(text: str) -> PolicyRefused:
    """The refusal of a client policy that cannot be signed; ``text`` says why."""
    return PolicyRefused([_error(CLIENT, "cannot-be-signed", f"This client policy cannot be signed: {text}.")])


def difference(old: Documents, new: Documents) -> dict[str, str]:
    """What a version changes, as unified diffs by document; nothing for a document that stays."""
    pairs = ((APPRAISAL, old.appraisal, new.appraisal), (CLIENT, old.client, new.client))
    return {f"{name}_diff": _diff(before, after) for name, before, after in pairs if before != after}


def _diff(before: str, after: str) -> str:
    old, new = before.splitlines(), after.splitlines()
    if len(old) + len(new) > _MAX_COMPARED_LINES:  # comparing takes time that grows with the square
        return f"{len(old)} lines were replaced by {len(new)}"
    return "\n".join(difflib.unified_diff(old, new, "before", "after", lineterm=""))


def _unusable(documents: Documents) -> Iterable[PolicyMessage]:
    for name, text in zip((APPRAISAL, CLIENT), documents, strict=True):
        try:
            size = len(text.encode("utf-8"))
        except UnicodeEncodeError:
            yield _error(name, "not-text", "This holds half a surrogate pair, which is no text.")
            continue
        if size > MAX_DOCUMENT_BYTES:
            yield _error(name, "too-large", f"This has {size} bytes; at most {MAX_DOCUMENT_BYTES} are allowed.")


def _message(document: str, message: LintMessage) -> PolicyMessage:
    return PolicyMessage(document, *message)


def _error(document: str, code: str, text: str) -> PolicyMessage:
    return PolicyMessage(document, 1, "error", code, "", text, "")


def status_sentence(head: PolicyHead) -> str:
    """The active version, and one that is rolling out, in a sentence."""
    if head.latest == 0:
        return f"Nothing is published for {head.app}: the built-in default is active."
    stable = f"Version {head.stable}" if head.stable else "The built-in default"
    if head.canary is None:
        return f"{stable} is active."
    return f"{stable} is active; version {head.canary.version} is rolling out to {head.canary.rollout} % of the keys."


def published(facts: PolicyVersion) -> str:
    """Who published a version, when and why, in a sentence."""
    when = datetime.fromtimestamp(facts.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    why = facts.why if len(facts.why) <= _SHOWN_WHY else facts.why[:_SHOWN_WHY] + "…"
    return f'Version {facts.version} was published by {facts.by} at {when} ("{why}").'


def promoted(head: PolicyHead, version: int, rollout: int) -> PolicyHead:
    """The head with the rollout of ``version`` raised to ``rollout`` percent."""
    canary = head.canary
    if canary is None or canary.version != version:
        raise PolicyConflict(f"Version {version} of {head.app} is not rolling out. {status_sentence(head)}")
    if rollout <= canary.rollout:
        raise PolicyConflict(
            f"Version {version} has reached {canary.rollout} % already: a rollout only grows, because no app "
            "may get an older policy than it has. Roll back instead, which makes a new version."
        )
    if rollout < 100:
        return replace(head, canary=Canary(version, rollout))
    return replace(head, stable=version, previous=head.stable, withdrawn=False, canary=None)


@dataclass(frozen=True, slots=True)
class PolicyReader:
    """Reads the policies table for publishers. Every method raises :class:`PolicyConflict` for what is missing or no
    longer holds, and :class:`~service.errors.Unavailable`."""

    policies: Policies

    def completed(self, head: PolicyHead, appraisal: str | None, client: str | None) -> Documents:
        """A draft, with what it lacks taken from the active version."""
        if appraisal is None and client is None:
            raise PolicyConflict("The draft holds no document: neither an appraisal policy nor a client policy.")
        if client is not None:
            client_document(client)  # an empty text is none, and must not remove the active one
        if appraisal is not None and client is not None:
            return Documents(appraisal, client)  # without a look at the active version: it may be what needs repair
        stable = self.of(head.app, head.stable)
        if head.canary is not None:
            canary = self.of(head.app, head.canary.version)
            # The attack is a mistake: a fix of one document that takes the other one, tried on 5 %, to all devices.
            for name, given, here, there in (
                ("appraisal policy", appraisal, stable.appraisal, canary.appraisal),
                ("client policy", client, stable.client, canary.client),
            ):
                if given is None and here != there:
                    raise PolicyConflict(
                        f"The draft has no {name}, and two are active. {status_sentence(head)} Promote or roll back "
                        "first, or publish both documents."
                    )
        return Documents(
            stable.appraisal if appraisal is None else appraisal, stable.client if client is None else client
        )

    def restored(self, head: PolicyHead, target: int) -> Documents:
        """The documents of an older version, in a form that takes the place of the newer ones."""
        documents = self.of(head.app, target)
        newest = max(head.stable, 0 if head.canary is None else head.canary.version)
        if not documents.client and self._may_have_client(head.app, newest):
            return documents._replace(client=EMPTY_CLIENT_POLICY)
        return documents

    def _may_have_client(self, app: str, version: int) -> bool:
        """Whether apps may hold the client policy of a version; also where the version is lost, which is the very
        reason for going back."""
        try:
            return bool(self.of(app, version).client)
        except (PolicyConflict, Unreadable):
            return True

    def replaced(self, head: PolicyHead) -> Documents:
        """The documents that are active outside a rollout, to compare with; empty texts where they are lost."""
        try:
            return self.of(head.app, head.stable)
        except (PolicyConflict, Unreadable):
            return Documents("", "")

    def was_withdrawn(self, head: PolicyHead) -> bool:
        """Whether a rollback took back the version that was stable just before."""
        if head.withdrawn is not None or head.stable == 0:
            return bool(head.withdrawn)
        stable = self.policies.find(head.app, head.stable)  # a head that an older release wrote
        return stable is None or stable.restores is not None

    def of(self, app: str, version: int) -> Documents:
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

    def author_of(self, head: PolicyHead, number: int) -> str | None:
        """Who made the proposal that waits; ``None`` where its row is damaged, and rejecting it is all that is left."""
        try:
            return self.proposed(head, number).by
        except Unreadable:
            if head.proposal != number:
                raise
            return None

    def require_current(self, head: PolicyHead, facts: PolicyVersion) -> None:
        """Refuse a proposal that is based on an older version: its author never saw what it would replace."""
        if facts.based_on != head.latest:
            raise PolicyConflict(
                f"Proposal {facts.version} was made when version {facts.based_on} was the latest. {self.latest(head)} "
                "Reject the proposal and propose it again."
            )

    def require_seen(self, head: PolicyHead, expected: int) -> None:
        """Refuse an author who has not seen the latest version: publishing would undo another operator's change."""
        if head.latest < expected:
            raise PolicyConflict(f"There is no version {expected} of the policy of {head.app}. {status_sentence(head)}")
        if head.latest > expected:
            raise PolicyConflict(f"{self.latest(head)} You had seen version {expected}: look at it, then try again.")

    def require_unmoved(self, read: PolicyHead) -> None:
        """Say who was faster, if the head really changed."""
        head = self.policies.head(read.app)
        if head.latest != read.latest:
            raise PolicyConflict(f"{self.latest(head)} That was faster: look at it, then try again.")
        if head.canary != read.canary or head.stable != read.stable:
            raise PolicyConflict(
                f"Another operator just promoted a version. {status_sentence(head)} Look at it, then try again."
            )
        if head.proposal != read.proposal:
            raise PolicyConflict("Another operator just made or rejected a proposal: look at it, then try again.")

    def again(
        self, head: PolicyHead, wish: PolicyVersion, appraisal: str | None, client: str | None
    ) -> PolicyChange | None:
        """What came of a publication, when the very same was asked for before and its answer was lost."""
        if head.proposal is not None:
            waits = _unless_damaged(self.policies.find_proposal, head.app, head.proposal)
            if waits is not None and _is_same(waits, wish, appraisal, client):
                return PolicyChange(read=head, head=head, entry=None, proposed=waits)
        newest = _unless_damaged(self.policies.find, head.app, head.latest)
        if newest is None or not _is_same(newest, wish, appraisal, client):
            return None
        not_before = head.tokens_from if wish.effect is Effect.NOW else None
        return PolicyChange(read=head, head=head, entry=None, added=newest, not_before=not_before, pacing=newest.pacing)

    def latest(self, head: PolicyHead) -> str:
        """Who published the latest version, and when."""
        newest = self.policies.history(head.app, limit=1)
        if not newest:
            return f"Nothing is published for {head.app}."
        return published(newest[0])


def _unless_damaged(find: Callable[[str, int], StoredPolicy | None], app: str, number: int) -> StoredPolicy | None:
    """What is found; nothing where its row is damaged. Publishing is what repairs that, and must not fail for it."""
    try:
        return find(app, number)
    except Unreadable:
        return None


def _is_same(stored: StoredPolicy, wish: PolicyVersion, appraisal: str | None, client: str | None) -> bool:
    asked = (wish.by, wish.why, wish.effect, wish.rollout, wish.based_on, wish.pacing)
    return (
        (stored.by, stored.why, stored.effect, stored.rollout, stored.based_on, stored.pacing) == asked
        and (stored.restores, stored.promotes) == (None, None)
        and appraisal in (None, stored.appraisal)
        and client in (None, stored.client)
    )
