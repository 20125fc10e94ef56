"""The two documents of a policy version: what keeps them from being published, and how they differ from others."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from attestation.appraisal.cedar.engine import CedarPolicy, PolicyInvalid, default_policy
from attestation.appraisal.lint.lint import lint_appraisal
from attestation.appraisal.lint.message import LintMessage

from service.policies.client_policy_document import document_of
from service.policies.client_policy_lint import lint_client

APPRAISAL: Final = "appraisal"
CLIENT: Final = "client"

MAX_DOCUMENT_BYTES: Final = 64 * 1024
"""Most bytes of either document. With the signed client policy both fit into one DynamoDB item of 400 KB."""

EMPTY_CLIENT_POLICY: Final = '{"format": 1}\n'
"""The client policy that asks for nothing. Apps that have one never go back to none: silence is what an attacker who
cuts the line would send. So a rollback to before the first one publishes this."""

_MAX_COMPARED_LINES: Final = 4_000


class PolicyMessage(NamedTuple):
    """A linter's message, and which ``document`` (``appraisal`` or ``client``) it is about."""

    document: str
    line: int
    severity: str
    code: str
    rule: str
    text: str
    hint: str


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
    """What is in force where nothing was published: version 0."""
    return Documents(default_policy().text, "")


def check(documents: Documents, *, now: float, strict: bool = True) -> tuple[PolicyMessage, ...]:
    """The warnings about documents that may be published. Raises :class:`PolicyRefused` for others.

    ``now`` (Unix seconds) decides what has expired. Without ``strict``, for documents that were in force before, what
    linters object to is only a warning: going back must not fail for a rule that has expired since. What does not
    compile is refused all the same: nobody could be judged by it.
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
