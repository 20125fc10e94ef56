"""Use cases of the Admin API: test passes of an app, and the CI systems that may enrol keys without one.

On a stack whose setting TEST_PASSES is off they refuse; nothing of :mod:`service.passes` is loaded there.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated, Final, Literal

from attestation.claims import Platform
from bonafide_tokens.errors import TokenError
from bonafide_tokens.jose import EcPublicKey, public_key_from_jwk
from pydantic import Field

from service.admin.keys import require_app
from service.admin.problems import CHANGE_REFUSED, UNKNOWN_PASS, AdminRefusal, refused_as
from service.admin.publication import published_in_doubt, shown_in_doubt
from service.admin.stack import StackCall, entry_of
from service.edge.gateway import RequestModel
from service.edge.request_fields import App
from service.errors import NotKnown
from service.tables.audit import app_subject, key_subject

if TYPE_CHECKING:
    from service.passes.administered import AdministeredPasses

PERSONS_SECONDS: Final = 8 * 3_600
"""How long a pass lives unless it is asked for otherwise: a day of work."""

_MOST_SECONDS: Final = 24 * 3_600
_PASS_ID: Final = r"^[A-Za-z0-9_-]{1,64}$"
_Platform = Literal["ios", "macos", "android", "harmony"]
_Build = Annotated[str, Field(pattern=r"^[!-~]{1,64}$")]
_Why = Annotated[str, Field(max_length=1000)]
_Text = Annotated[str, Field(min_length=1, max_length=1024)]


class PassesOfApp(RequestModel):
    """GET /admin/apps/{app}/test-passes."""

    app: App


class MintPass(RequestModel):
    """POST /admin/apps/{app}/test-passes. ``request_key`` is a public JWK; ``least_build`` and ``most_build`` bound the
    app's builds, both inclusive."""

    app: App
    request_key: Annotated[dict[Annotated[str, Field(max_length=16)], Annotated[str, Field(max_length=128)]], Field()]
    platform: _Platform
    seconds: Annotated[int, Field(ge=60, le=_MOST_SECONDS)] = PERSONS_SECONDS
    least_build: _Build | None = None
    most_build: _Build | None = None
    why: _Why = ""


class RevokePass(RequestModel):
    """POST /admin/apps/{app}/test-passes/{pass_id}/revoke."""

    app: App
    pass_id: Annotated[str, Field(pattern=_PASS_ID)]
    why: _Why = ""


class GivenIssuer(RequestModel):
    """A CI system that an app trusts: :class:`attestation.passes.id_token.CiIssuer`."""

    issuer: _Text
    jwks_uri: _Text
    audience: _Text
    subject: _Text
    claims: Annotated[dict[Annotated[str, Field(max_length=64)], _Text], Field(max_length=16)] = Field(
        default_factory=dict
    )
    platform: _Platform
    seconds: Annotated[int, Field(ge=60, le=_MOST_SECONDS)] = 3_600


class TrustIssuers(RequestModel):
    """PUT /admin/apps/{app}/test-issuers: all that an app trusts from now on."""

    app: App
    issuers: Annotated[list[GivenIssuer], Field(max_length=16)]
    why: _Why = ""


def list_passes(request: PassesOfApp, call: StackCall) -> dict[str, object]:
    """The passes of an app, used ID tokens among them, and the CI systems that it trusts."""
    passes = _passes(call)
    require_app(call.stack.apps, request.app)
    found, whole = passes.of_app(request.app, call.now)
    return {"passes": found, "complete": whole, "issuers": passes.issuers(request.app)}


def mint_pass(request: MintPass, call: StackCall) -> dict[str, object]:
    """Mint a pass for one request key. The answer is the only place where it stands whole."""
    passes = _passes(call)
    require_app(call.stack.apps, request.app)
    key = _public_key(request)
    pass_id = secrets.token_hex(16)
    entry = entry_of(
        call,
        app_subject(request.app),
        "mint-test-pass",
        request.why,
        {
            "pass_id": pass_id,
            "request_key": key.thumbprint(),
            "platform": request.platform,
            "seconds": request.seconds,
            "builds": f"{request.least_build or ''}..{request.most_build or ''}",
        },
    )
    with shown_in_doubt(f"bonafide pass list --app {request.app}"):
        text, row = passes.mint(
            app=request.app,
            key=key,
            platform=Platform(request.platform),
            pass_id=pass_id,
            seconds=request.seconds,
            builds=(request.least_build, request.most_build),
            by=call.who,
            note=request.why,
            entry=entry,
            now=call.now,
        )
    return {"pass": text, **row}


def revoke_pass(request: RevokePass, call: StackCall) -> dict[str, object]:
    """Revoke a pass: nothing enrols with it any more, and the key that did is blocked, with its tokens."""
    passes = _passes(call)
    details = {"pass_id": request.pass_id}
    entry = entry_of(call, app_subject(request.app), "revoke-test-pass", request.why, details)
    with (
        refused_as(UNKNOWN_PASS),
        published_in_doubt(call.stack.publication, f"bonafide pass list --app {request.app}"),
    ):
        row = passes.revoke(request.pass_id, request.app, entry)
        try:
            call.stack.blocking.block(
                row.holder,
                by=call.who,
                now=call.now,
                reason=f"test pass {row.pass_id} was revoked",
                entry=entry_of(call, key_subject(row.holder), "block-key", request.why, details),
            )
        except NotKnown:
            return {**row.to_record(), "key_blocked": False}  # it never enrolled: there is nothing to cut off
    return {**row.to_record(), "key_blocked": True, **call.stack.publication.now().to_record()}


def trust_issuers(request: TrustIssuers, call: StackCall) -> dict[str, object]:
    """Say which pipelines of which CI systems may enrol keys of this app, in the place of those before."""
    passes = _passes(call)
    require_app(call.stack.apps, request.app)
    given = [issuer.model_dump() for issuer in request.issuers]
    told = {f"issuer {number}": f"{one['issuer']} {one['subject']}" for number, one in enumerate(given, 1)}
    entry = entry_of(call, app_subject(request.app), "trust-test-issuers", request.why, told)
    with refused_as(UNKNOWN_PASS), shown_in_doubt(f"bonafide pass list --app {request.app}"):
        passes.trust(request.app, given, entry)
    return {"issuers": passes.issuers(request.app)}


def _passes(call: StackCall) -> AdministeredPasses:
    passes = call.stack.passes
    if passes is None:
        raise AdminRefusal(CHANGE_REFUSED, "This stack takes no test passes: TestPasses is off, as in production.")
    return passes


def _public_key(request: MintPass) -> EcPublicKey:
    """The key that a pass is for. A private one is refused: its owner has lost it."""
    try:
        return public_key_from_jwk(request.request_key)
    except TokenError:
        raise AdminRefusal(CHANGE_REFUSED, "The request key must be a public P-256 JWK: kty, crv, x and y.") from None
