"""Use cases of the Admin API: an app's policies. The rules are those of :mod:`service.policies.publish`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal, Self

from bonafide_tokens.pacing.new_pacing import MAX_KEYS, MAX_PREDICATES, Pacing, keys_from_text
from bonafide_tokens.pacing.paced import MAX_SECONDS
from bonafide_tokens.signing import MAX_BUILD_CHARACTERS
from pydantic import Field, model_validator

from service.admin.keys import require_app
from service.admin.problems import POLICY_CONFLICT, POLICY_INVALID, SECOND_PERSON, UNKNOWN_POLICY, AdminRefusal
from service.admin.publication import Published, published_in_doubt, shown_in_doubt
from service.admin.stack import StackCall
from service.edge.gateway import RequestModel
from service.edge.request_fields import App
from service.policies.digest import digest_of
from service.policies.documents import MAX_DOCUMENT_BYTES, PolicyConflict, PolicyRefused, built_in
from service.policies.publish import MAX_WHY, SecondPersonNeeded
from service.policies.store import MAX_HISTORY, Effect, PolicyChange, PolicyHead, PolicyVersion, StoredPolicy

# Beyond what may be published, so that it is the linters who say how long a document is.
_Document = Annotated[str, Field(max_length=4 * MAX_DOCUMENT_BYTES)]
_Why = Annotated[str, Field(min_length=1, max_length=MAX_WHY, pattern=r"\S")]
_Number = Annotated[int, Field(ge=1, le=10**9)]
_NumberInPath = Annotated[int, Field(ge=1, le=10**9, strict=False)]
_Rollout = Annotated[int, Field(ge=1, le=100)]
_Effect = Annotated[Effect, Field(strict=False)]
_Bound = Annotated[int, Field(ge=0, le=10**15)]
_Build = Annotated[str, Field(min_length=1, max_length=MAX_BUILD_CHARACTERS)]


class TokenPredicate(RequestModel):
    """What a token says that is refused at once: all members hold. A token that says no build matches every build, and
    one whose build is no whole number is below every build."""

    platform: Annotated[list[Literal["ios", "macos", "android", "harmony"]], Field(min_length=1)] | None = None
    tier: Annotated[list[Literal["affirming", "warning"]], Field(min_length=1)] | None = None
    app_build: Annotated[list[_Build], Field(min_length=1, max_length=64)] | None = None
    app_build_below: _Bound | None = None
    policy_version_below: _Bound | None = None
    issued_before: _Bound | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError("a predicate that holds for every token: leave the pacing out")
        return self


class AskedPacing(RequestModel):
    """Which older tokens a change with effect ``now`` refuses at once, and over how many seconds the others. ``keys``
    are the first 8 bytes of SHA-256 of each key_id, sorted, in base64url."""

    seconds: Annotated[int, Field(ge=1, le=MAX_SECONDS)]
    at_once: Annotated[list[TokenPredicate], Field(max_length=MAX_PREDICATES, default_factory=list)]
    keys: Annotated[str, Field(max_length=MAX_KEYS * 11)] = ""

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        self.pacing()
        return self

    def pacing(self) -> Pacing:
        """The same as authorizers read it."""
        predicates = tuple(predicate.model_dump(exclude_none=True) for predicate in self.at_once)
        return Pacing(self.seconds, predicates, keys_from_text(self.keys)).checked()


class _Paceable(RequestModel):
    effect: _Effect = Effect.NEXT_RENEWAL
    pacing: AskedPacing | None = None

    @model_validator(mode="after")
    def _takes_effect_at_once(self) -> Self:
        if self.pacing is not None and self.effect is not Effect.NOW:
            raise ValueError("only a change with the effect now is paced")
        return self


class AppPolicies(RequestModel):
    """GET /admin/policies/{app}."""

    app: App


class OneVersion(AppPolicies):
    """GET /admin/policies/{app}/versions/{version}. Version 0 is the built-in default."""

    version: Annotated[int, Field(ge=0, le=10**9, strict=False)]


class OneProposal(AppPolicies):
    """GET /admin/policies/{app}/proposals/{proposal}."""

    proposal: _NumberInPath


class VersionHistory(AppPolicies):
    """GET /admin/policies/{app}/history. ``before`` is the version to go on from."""

    limit: Annotated[int, Field(ge=1, le=MAX_HISTORY, strict=False)] = 50
    before: _NumberInPath | None = None


class PublishPolicy(AppPolicies, _Paceable):
    """POST /admin/policies/{app}. A document that is absent stays as it is; ``expected_version`` is the latest
    version that the author saw."""

    appraisal: _Document | None = None
    client: _Document | None = None
    why: _Why
    rollout: _Rollout = 100
    expected_version: Annotated[int, Field(ge=0, le=10**9)]


class PromotePolicy(AppPolicies, _Paceable):
    """POST /admin/policies/{app}/promote."""

    version: _Number
    rollout: _Rollout = 100
    why: _Why


class RollBackPolicy(AppPolicies, _Paceable):
    """POST /admin/policies/{app}/rollback. ``to`` is absent for the version that was stable just before."""

    to: Annotated[int, Field(ge=0, le=10**9)] | None = None
    why: _Why
    expected_version: Annotated[int, Field(ge=0, le=10**9)] | None = None


class ApprovePolicy(AppPolicies):
    """POST /admin/policies/{app}/approve."""

    proposal: _Number
    why: Annotated[str, Field(max_length=MAX_WHY)] = ""


class RejectPolicy(AppPolicies):
    """POST /admin/policies/{app}/reject."""

    proposal: _Number
    why: _Why


def show_policies(request: AppPolicies, call: StackCall) -> dict[str, object]:
    """Which versions are active for an app, which proposal waits, and which publications still let older tokens
    through."""
    require_app(call.stack.apps, request.app)
    head = _head_record(call.stack.policies.head(request.app))
    paced = [entry.shown() for entry in call.stack.not_before.paced(request.app, call.now)]
    return {**head, "approval": call.stack.publishing.approval.value, "paced": paced}


def show_policy_version(request: OneVersion, call: StackCall) -> dict[str, object]:
    """One version with its documents."""
    require_app(call.stack.apps, request.app)
    if request.version == 0:
        return _built_in_record(request.app)
    stored = call.stack.policies.find(request.app, request.version)
    return _found_record(stored, f"{request.app} has no policy version {request.version}.")


def show_policy_proposal(request: OneProposal, call: StackCall) -> dict[str, object]:
    """One proposal with its documents, whether it still waits or not."""
    require_app(call.stack.apps, request.app)
    stored = call.stack.policies.find_proposal(request.app, request.proposal)
    return _found_record(stored, f"{request.app} has no proposal {request.proposal}.")


def list_policy_versions(request: VersionHistory, call: StackCall) -> dict[str, object]:
    """The versions of an app, newest first, without their documents."""
    require_app(call.stack.apps, request.app)
    versions = call.stack.policies.history(request.app, limit=request.limit, before=request.before)
    return {"versions": [version.to_record() for version in versions]}


def publish_policy(request: PublishPolicy, call: StackCall) -> dict[str, object]:
    """Publish a draft, or under the two-person rule propose it."""
    return _carry_out(call, request, call.stack.publishing.publish, request.effect)


def promote_policy(request: PromotePolicy, call: StackCall) -> dict[str, object]:
    """Raise the rollout of the version that is rolling out, or propose that under the two-person rule."""
    return _carry_out(call, request, call.stack.publishing.promote, request.effect)


def roll_back_policy(request: RollBackPolicy, call: StackCall) -> dict[str, object]:
    """Publish the documents of an older version as a new one, for all keys."""
    return _carry_out(call, request, call.stack.publishing.rollback, request.effect)


def approve_policy(request: ApprovePolicy, call: StackCall) -> dict[str, object]:
    """Make another person's proposal active, exactly as it was proposed."""
    with _answered(call, request.app, Effect.NEXT_RENEWAL):
        proposed = call.stack.policies.find_proposal(request.app, request.proposal)
        digest = "" if proposed is None or proposed.pacing is None else proposed.pacing.keys_digest
        if digest and not call.stack.key_lists.renew(digest, now=call.now):
            raise PolicyConflict(
                f"The keys that proposal {request.proposal} names are kept no more: reject it and propose it again."
            )
    # Whether it takes effect at once is the proposal's own affair.
    return _carry_out(call, request, call.stack.publishing.approve, Effect.NOW)


def reject_policy(request: RejectPolicy, call: StackCall) -> dict[str, object]:
    """Withdraw a proposal."""
    return _carry_out(call, request, call.stack.publishing.reject, Effect.NEXT_RENEWAL)


def _carry_out(
    call: StackCall, request: AppPolicies, change: Callable[..., PolicyChange], effect: Effect
) -> dict[str, object]:
    """What a change led to; the request's members are the change's. Relying parties are told at once where older tokens
    are refused from now on."""
    require_app(call.stack.apps, request.app)
    members = request.model_dump()
    with _answered(call, request.app, effect):
        if isinstance(request, _Paceable) and request.pacing is not None:
            members["pacing"] = call.stack.key_lists.stored(request.pacing.pacing(), now=call.now)
        outcome = change(**members, who=call.who, now=call.now)
    published = None if outcome.not_before is None else call.stack.publication.now()
    return {
        **_head_record(outcome.head),
        "approval": call.stack.publishing.approval.value,
        "added": None if outcome.added is None else outcome.added.to_record(),
        "proposed": None if outcome.proposed is None else outcome.proposed.to_record(),
        "tokens_not_before": outcome.not_before,
        "warnings": [message._asdict() for message in outcome.warnings],
        **_paced_record(outcome, published),
        **({} if published is None else published.to_record()),
    }


def _paced_record(outcome: PolicyChange, published: Published | None) -> dict[str, object]:
    """How older tokens are refused: ``all_at_once`` also where the pacing that was asked for has no room in the trust
    bundle, or another change of the same second does not know of it."""
    pacing, moment = outcome.pacing, outcome.not_before
    if moment is None:
        return {"pacing": None, "all_at_once": False}
    told = published is not None and published.bundle_version is not None
    at_once = pacing is None or (told and published is not None and outcome.head.app not in published.paced)
    shown = None if pacing is None else {"from": moment, "until": moment + pacing.seconds, **pacing.to_record()}
    return {"pacing": shown, "all_at_once": at_once}


@contextmanager
def _answered(call: StackCall, app: str, effect: Effect) -> Iterator[None]:
    look = f"bonafide policy show --app {app}"
    told = call.stack.publication if effect is Effect.NOW else None
    try:
        with shown_in_doubt(look) if told is None else published_in_doubt(told, look):
            yield
    except SecondPersonNeeded as error:
        raise AdminRefusal(SECOND_PERSON, error.sentence) from None
    except PolicyConflict as error:
        if told is not None:
            told.now()  # what is in the way may be this very change, made before and never published
        raise AdminRefusal(POLICY_CONFLICT, error.sentence) from None
    except PolicyRefused as refused:
        count = sum(message.severity == "error" for message in refused.messages)
        raise AdminRefusal(
            POLICY_INVALID,
            f"The policy has {count} error{'' if count == 1 else 's'}: nothing was published.",
            [message._asdict() for message in refused.messages],
        ) from None


def _head_record(head: PolicyHead) -> dict[str, object]:
    return {
        "app": head.app,
        "latest": head.latest,
        "stable": head.stable,
        "previous": head.previous,
        "canary": None if head.canary is None else head.canary._asdict(),
        "proposal": head.proposal,
    }


def _found_record(stored: StoredPolicy | None, otherwise: str) -> dict[str, object]:
    if stored is None:
        raise AdminRefusal(UNKNOWN_POLICY, otherwise)
    return {**stored.to_record(), "appraisal": stored.appraisal, "client": stored.client}


def _built_in_record(app: str) -> dict[str, object]:
    documents = built_in()
    facts = PolicyVersion(
        app=app,
        version=0,
        why="the built-in default",
        by="",
        at=0,
        effect=Effect.NEXT_RENEWAL,
        rollout=100,
        based_on=0,
        digest=digest_of(*documents),
        has_client=False,
    )
    return _found_record(facts.holding(*documents), "")
