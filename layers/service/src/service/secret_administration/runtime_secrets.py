"""Use cases of the Admin API: the runtime secrets of an app. No answer, error or audit entry has a value in it.

Under the two-person rule for policies a new value waits for another person; revoking, which only takes away, does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Final

from attestation.encoding.jose import b64url_decode
from attestation.errors import MalformedEvidence
from attestation.sealing.secret_name import MAX_NAME, NAME_PATTERN
from pydantic import Field

from service.admin.keys import require_app
from service.admin.problems import (
    CHANGE_REFUSED,
    SECOND_PERSON,
    TOO_LARGE_SECRET,
    UNKNOWN_SECRET,
    AdminRefusal,
    refused_as,
)
from service.admin.publication import shown_in_doubt
from service.admin.stack import StackCall, entry_of
from service.edge.gateway import RequestModel
from service.edge.request_fields import App
from service.fallback_modes import PolicyApproval
from service.person import may_be_one_person, may_propose_and_approve
from service.secrets.runtime_secret import (
    MAX_VALUE_BYTES,
    SHARED,
    RuntimeSecret,
    SecretSource,
    SecretState,
    is_place_of,
)
from service.secrets.values import wrapped_value
from service.tables.audit import AuditEntry, app_subject

_PLACE: Final = "[a-z0-9-]{1,30}:[0-9]{12}"
_SECRETS_MANAGER: Final = rf"\Aarn:[a-z-]{{1,20}}:secretsmanager:{_PLACE}:secret:[A-Za-z0-9/_+=.@-]{{1,512}}\z"
_PARAMETER: Final = rf"\Aarn:[a-z-]{{1,20}}:ssm:{_PLACE}:parameter/[A-Za-z0-9/_.-]{{1,1011}}\z"
_VALUE_CHARACTERS: Final = 1_000_000
"""Beyond what a value may have, so that the refusal says how large one may be."""

_Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=MAX_NAME)]
_Why = Annotated[str, Field(max_length=1000)]


class SecretsOfOneApp(RequestModel):
    """GET /admin/apps/{app}/runtime-secrets."""

    app: App


class OneSecret(SecretsOfOneApp):
    """A secret that a path names."""

    name: _Name


class SetSecret(OneSecret):
    """POST /admin/apps/{app}/runtime-secrets/{name}, and the same with /rotate. One of the three: ``value`` in
    base64url, or the ARN of a secret of AWS Secrets Manager or of a parameter of Systems Manager."""

    value: Annotated[str | None, Field(max_length=_VALUE_CHARACTERS, repr=False)] = None
    secrets_manager: Annotated[str, Field(pattern=_SECRETS_MANAGER)] | None = None
    parameter: Annotated[str, Field(pattern=_PARAMETER)] | None = None
    why: _Why = ""


class RevokeSecret(OneSecret):
    """POST /admin/apps/{app}/runtime-secrets/{name}/revoke."""

    why: _Why = ""


class DecideSecret(OneSecret):
    """POST /admin/apps/{app}/runtime-secrets/{name}/reject. ``version`` is the one that waits."""

    version: Annotated[int, Field(ge=1, le=10**9)]
    why: _Why = ""


class ApproveSecret(DecideSecret):
    """POST /admin/apps/{app}/runtime-secrets/{name}/approve. ``proposed_by`` and ``proposed_at`` (Unix seconds) name
    the proposal that was looked at, as the list told it."""

    proposed_by: Annotated[str, Field(max_length=2048)]
    proposed_at: int


def list_runtime_secrets(request: SecretsOfOneApp, call: StackCall) -> dict[str, object]:
    """An app's secrets and proposals: names, versions, where each value is kept; never a value."""
    require_app(call.stack.apps, request.app)
    known = call.stack.runtime_secrets.stored.of(request.app)
    return {"secrets": [one.to_record() for one in known], "approval": call.stack.publishing.approval.value}


def set_runtime_secret(request: SetSecret, call: StackCall) -> dict[str, object]:
    """Store a secret that is new, or was revoked. A new value for one that is active is a rotation."""
    return _store(request, call, "set-secret")


def rotate_runtime_secret(request: SetSecret, call: StackCall) -> dict[str, object]:
    """Give an active secret a new value, and so its next version."""
    return _store(request, call, "rotate-secret")


def revoke_runtime_secret(request: RevokeSecret, call: StackCall) -> dict[str, object]:
    """Release a secret no more, and forget its value."""
    with _answered(request):
        seen = _active(request, call)
        revoked = replace(
            seen, state=SecretState.REVOKED, wrapped=None, data_key=None, by=call.who, at=int(call.now), size=None
        )
        entry = _entry(call, request, "revoke-secret", request.why, revoked)
        call.stack.runtime_secrets.put(revoked, entry, seen=seen)
        return revoked.to_record()


def approve_runtime_secret(request: ApproveSecret, call: StackCall) -> dict[str, object]:
    """Make another person's proposal the secret, exactly as it was proposed. What was revoked after it was proposed
    stays revoked."""
    with _answered(request):
        proposal = _proposal(request, call)
        # The attack: an author who proposes the version once more, with another value, after the other person looked.
        if (request.proposed_by, request.proposed_at) != (proposal.by, proposal.at):
            raise AdminRefusal(CHANGE_REFUSED, "It was proposed anew since you looked: list the secrets again.")
        _require_author(call.who)
        if may_be_one_person(proposal.by, call.who):
            raise AdminRefusal(
                SECOND_PERSON, f"Version {proposal.version} is by {proposal.by}: another person must approve it."
            )
        seen = call.stack.runtime_secrets.stored.find(request.app, request.name)
        revoked_since = seen is not None and seen.state is SecretState.REVOKED and seen.at >= proposal.at
        if revoked_since or (0 if seen is None else seen.version) + 1 != proposal.version:
            raise AdminRefusal(CHANGE_REFUSED, "The secret has changed since this was proposed: propose it again.")
        active = replace(proposal, state=SecretState.ACTIVE, at=int(call.now))
        entry = _entry(call, request, "approve-secret", request.why, active)
        call.stack.runtime_secrets.approve(active, entry, proposal=proposal, seen=seen)
        return active.to_record()


def reject_runtime_secret(request: DecideSecret, call: StackCall) -> dict[str, object]:
    """Withdraw a proposal."""
    with _answered(request):
        proposal = _proposal(request, call)
        call.stack.runtime_secrets.reject(proposal, _entry(call, request, "reject-secret", request.why, proposal))
        return proposal.to_record()


def _store(request: SetSecret, call: StackCall, action: str) -> dict[str, object]:
    source, reference, value = _read(request)
    if reference is not None and not is_place_of(reference, request.app):
        raise AdminRefusal(
            CHANGE_REFUSED,
            f"The path of a reference has the folder {request.app} or {SHARED}, as in …/{request.app}/maps-key.",
        )
    with _answered(request):
        require_app(call.stack.apps, request.app)
        changes = call.stack.runtime_secrets
        seen = changes.stored.find(request.app, request.name)
        active = seen is not None and seen.state is SecretState.ACTIVE
        if active and action == "set-secret":
            raise AdminRefusal(CHANGE_REFUSED, f"{request.app} has a secret called {request.name}: rotate it.")
        if not active and action == "rotate-secret":
            raise AdminRefusal(UNKNOWN_SECRET, f"{request.app} has no active secret called {request.name}: set it.")
        waits = call.stack.publishing.approval is not PolicyApproval.OFF
        if waits:
            _require_author(call.who)
        secret = RuntimeSecret(
            app=request.app,
            name=request.name,
            version=(0 if seen is None else seen.version) + 1,
            source=source,
            state=SecretState.PROPOSED if waits else SecretState.ACTIVE,
            by=call.who,
            at=int(call.now),
            reference=reference,
        )
        if value is not None:
            secret = wrapped_value(secret, value, call.stack.sealing)
        if waits:
            earlier = changes.stored.find_proposal(request.app, request.name)
            changes.propose(secret, _entry(call, request, f"propose-{action}", request.why, secret), seen=earlier)
        else:
            changes.put(secret, _entry(call, request, action, request.why, secret), seen=seen)
        return secret.to_record()


def _read(request: SetSecret) -> tuple[SecretSource, str | None, bytes | None]:
    """Where the value is kept, by which reference, and the value itself. No refusal quotes it."""
    given = (request.value, request.secrets_manager, request.parameter)
    if sum(one is not None for one in given) != 1:
        raise AdminRefusal(CHANGE_REFUSED, "Give one of value, secrets_manager and parameter.")
    if request.value is None:
        if request.secrets_manager is not None:
            return SecretSource.SECRETS_MANAGER, request.secrets_manager, None
        return SecretSource.PARAMETER_STORE, request.parameter, None
    try:
        value = b64url_decode(request.value)
    except MalformedEvidence:
        raise AdminRefusal(CHANGE_REFUSED, "The value is not unpadded base64url.") from None
    if not value:
        raise AdminRefusal(CHANGE_REFUSED, "The value is empty.")
    if len(value) > MAX_VALUE_BYTES:
        raise AdminRefusal(TOO_LARGE_SECRET, f"The value has {len(value)} bytes; a secret may have {MAX_VALUE_BYTES}.")
    return SecretSource.STORED, None, value


def _active(request: OneSecret, call: StackCall) -> RuntimeSecret:
    require_app(call.stack.apps, request.app)
    found = call.stack.runtime_secrets.stored.find(request.app, request.name)
    if found is None or found.state is not SecretState.ACTIVE:
        raise AdminRefusal(UNKNOWN_SECRET, f"{request.app} has no active secret called {request.name}.")
    return found


def _proposal(request: DecideSecret, call: StackCall) -> RuntimeSecret:
    require_app(call.stack.apps, request.app)
    found = call.stack.runtime_secrets.stored.find_proposal(request.app, request.name)
    if found is None or found.version != request.version:
        raise AdminRefusal(UNKNOWN_SECRET, f"No version {request.version} of {request.name} waits for a second person.")
    return found


def _require_author(who: str) -> None:
    if not may_propose_and_approve(who):
        raise AdminRefusal(SECOND_PERSON, f"{who} names no person, so it can neither propose nor approve.")


def _entry(call: StackCall, request: OneSecret, action: str, why: str, secret: RuntimeSecret) -> AuditEntry:
    details = {
        name: value
        for name, value in secret.to_record().items()
        if name in ("name", "version", "source", "reference") and isinstance(value, str | int)
    }
    if action == "approve-secret":
        details["proposed_by"] = secret.by
    return entry_of(call, app_subject(request.app), action, why, details)


@contextmanager
def _answered(request: OneSecret) -> Iterator[None]:
    with shown_in_doubt(f"bonafide secret list --app {request.app}"), refused_as(UNKNOWN_SECRET):
        yield
