"""Use cases of the Admin API: which apps are registered, what is expected of each, and what it entrusts to us."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import Field

from service.admin.problems import CHANGE_REFUSED, UNKNOWN_APP, UNKNOWN_SECRET, AdminRefusal, refused_as
from service.admin.publication import shown_in_doubt
from service.admin.registration import Registration
from service.admin.stack import StackCall, entry_of
from service.aws import unavailable_on_failure
from service.edge.gateway import RequestModel
from service.edge.request_fields import App
from service.receipts.device_check import DeviceCheckKey, secret_name
from service.tables.audit import app_subject
from service.vendors.app_secrets import AppSecret, SecretKind, secret_kid
from service.vendors.play_decoder import ServiceAccount
from service.vendors.play_integrity import SERVICE_ACCOUNT, response_keys_name, response_keys_secret

# Beyond what a registration may hold, so that it says itself, in words, what is too much.
_Texts = Annotated[list[Annotated[str, Field(max_length=1000)]], Field(max_length=1000)]

_Builds = Annotated[
    dict[Annotated[str, Field(max_length=20)], Annotated[str, Field(max_length=100)]], Field(max_length=10)
]


class EveryApp(RequestModel):
    """GET /admin/apps."""


class OneRegistration(RequestModel):
    """GET /admin/apps/{app}."""

    app: App


class RegisterApp(RequestModel):
    """PUT /admin/apps/{app}. It replaces the app's registration; ``revision`` is the one that it was made from, 0 for
    an app that is new."""

    app: App
    apple_app_ids: _Texts = Field(default_factory=list)
    apple_environments: _Texts = Field(default_factory=lambda: ["production"])
    android_packages: _Texts = Field(default_factory=list)
    android_signing_digests: _Texts = Field(default_factory=list)
    android_verified_boot_keys: _Texts = Field(default_factory=list)
    play_expected: bool = False
    harmony_bundle_names: _Texts = Field(default_factory=list)
    harmony_app_ids: _Texts = Field(default_factory=list)
    harmony_app_identifiers: _Texts = Field(default_factory=list)
    harmony_signing_digests: _Texts = Field(default_factory=list)
    audiences: _Texts = Field(default_factory=list)
    minimum_builds: _Builds = Field(default_factory=dict)
    unknown_builds: Annotated[str, Field(max_length=20)] = "warn"
    revision: Annotated[int, Field(ge=0, le=10**9)] = 0
    why: Annotated[str, Field(max_length=1000)] = ""


class SecretsOfApp(RequestModel):
    """GET /admin/apps/{app}/secrets."""

    app: App


class ResponseKeys(RequestModel):
    """A pair of Play Integrity's response keys, as the Play Console shows them."""

    decryption_key: Annotated[str, Field(max_length=4_000, repr=False)]
    verification_key: Annotated[str, Field(max_length=4_000, repr=False)]


class GivenDeviceCheckKey(RequestModel):
    """A key with Apple's service DeviceCheck. ``private_key`` is the text of the .p8 file; ``app_id_prefix`` is for
    app ids that do not begin with the team's id."""

    team_id: Annotated[str, Field(max_length=20)]
    key_id: Annotated[str, Field(max_length=20)]
    private_key: Annotated[str, Field(max_length=4_000, repr=False)]
    app_id_prefix: Annotated[str, Field(max_length=20)] = ""


class EntrustSecret(RequestModel):
    """POST /admin/apps/{app}/secrets: one of the three. ``service_account`` is the text of Google's JSON key file."""

    app: App
    response_keys: Annotated[ResponseKeys | None, Field(repr=False)] = None
    service_account: Annotated[str | None, Field(max_length=16_384, repr=False)] = None
    device_check_key: Annotated[GivenDeviceCheckKey | None, Field(repr=False)] = None
    why: Annotated[str, Field(max_length=1000)] = ""


class ForgetSecret(RequestModel):
    """POST /admin/apps/{app}/secrets/{name}/remove."""

    app: App
    name: Annotated[str, Field(pattern=r"\A[a-z0-9-]{1,64}\z")]
    why: Annotated[str, Field(max_length=1000)] = ""


def list_apps(_request: EveryApp, call: StackCall) -> dict[str, object]:
    """Every registered app, by name."""
    with _answered():
        return {"apps": [registration.to_record() for registration in call.stack.registrations.list()]}


def show_app(request: OneRegistration, call: StackCall) -> dict[str, object]:
    """One app as it is registered."""
    with _answered():
        return call.stack.registrations.get(request.app).to_record()


def register_app(request: RegisterApp, call: StackCall) -> dict[str, object]:
    """Register an app, or replace its registration, unless it has changed since it was read."""
    wanted = Registration.from_record(request.model_dump(exclude={"revision", "why"}))
    details = {
        name: _told(value)
        for name, value in wanted.to_record().items()
        if value and name not in ("app", "created_at", "updated_at", "revision")
    }
    entry = entry_of(call, app_subject(request.app), "register-app", request.why, details)
    with (
        shown_in_doubt(f"bonafide app show {request.app}"),
        refused_as(UNKNOWN_APP),
        unavailable_on_failure("dynamodb apps"),
    ):
        return call.stack.registrations.put_and_record(wanted, entry, seen=request.revision).to_record()


def list_app_secrets(request: SecretsOfApp, call: StackCall) -> dict[str, object]:
    """What an app's owner entrusted to the stack: names and times, never the secrets."""
    with _answered():
        call.stack.registrations.get(request.app)
        return {"secrets": [_shown(secret) for secret in call.stack.secrets.stored.of(request.app)]}


def entrust_app_secret(request: EntrustSecret, call: StackCall) -> dict[str, object]:
    """Seal a secret and store it: a pair of response keys beside those there are, a service account in place of one, a
    DeviceCheck key in place of the one with its prefix.

    Neither the answer, nor an error, nor the audit entry quotes it.
    """
    name, kind, secret = _read_secret(request)
    with shown_in_doubt(f"bonafide app play-key list {request.app}"), _answered():
        call.stack.registrations.get(request.app)
        wrapped = call.stack.sealing.wrap(secret_kid(request.app, name), secret)
        row = AppSecret(app=request.app, name=name, kind=kind, wrapped=wrapped, created_at=int(call.now))
        details = {"name": name, "kind": kind.value}
        call.stack.secrets.put(row, entry_of(call, app_subject(request.app), "entrust-secret", request.why, details))
        return _shown(row)


def forget_app_secret(request: ForgetSecret, call: StackCall) -> dict[str, object]:
    """Forget one of them: what only it opens is refused within five minutes."""
    entry = entry_of(call, app_subject(request.app), "forget-secret", request.why, {"name": request.name})
    with shown_in_doubt(f"bonafide app play-key list {request.app}"), refused_as(UNKNOWN_APP):
        if not call.stack.secrets.remove(request.app, request.name, entry):
            raise AdminRefusal(UNKNOWN_SECRET, f"{request.app} has no secret called {request.name}.")
    return {"app": request.app, "name": request.name}


def _read_secret(request: EntrustSecret) -> tuple[str, SecretKind, bytes]:
    """Its name, what it is for, and what is sealed. The same pair of keys has the same name."""
    keys, account, apple = request.response_keys, request.service_account, request.device_check_key
    if sum(given is not None for given in (keys, account, apple)) != 1:
        raise AdminRefusal(CHANGE_REFUSED, "Give one of response_keys, service_account and device_check_key.")
    try:
        if keys is not None:
            pair = keys.decryption_key, keys.verification_key
            return response_keys_name(*pair), SecretKind.PLAY_RESPONSE_KEYS, response_keys_secret(*pair)
        if account is not None:
            sealed = ServiceAccount.read(account.encode("utf-8", "surrogatepass")).to_json()
            return SERVICE_ACCOUNT, SecretKind.PLAY_SERVICE_ACCOUNT, sealed
        key = DeviceCheckKey.read(json.dumps({} if apple is None else apple.model_dump()).encode("ascii"))
        return secret_name(key.app_id_prefix), SecretKind.DEVICE_CHECK_KEY, key.to_json()
    except ValueError as error:
        text = str(error)
        raise AdminRefusal(CHANGE_REFUSED, f"{text[:1].upper()}{text[1:]}.") from None


def _shown(secret: AppSecret) -> dict[str, object]:
    return {"app": secret.app, "name": secret.name, "kind": secret.kind.value, "created_at": secret.created_at}


@contextmanager
def _answered() -> Iterator[None]:
    with refused_as(UNKNOWN_APP), unavailable_on_failure("dynamodb apps"):
        yield


def _told(value: object) -> str:
    match value:
        case list():
            return "\n".join(map(str, value))
        case dict():
            return "\n".join(f"{name} {build}" for name, build in value.items())
        case _:
            return str(value)
