"""Use cases of the Admin API: which apps are registered, and what is expected of each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import Field

from service.admin.problems import UNKNOWN_APP, refused_as
from service.admin.publication import shown_in_doubt
from service.admin.registration import Registration
from service.admin.stack import StackCall, entry_of
from service.aws import unavailable_on_failure
from service.edge.gateway import RequestModel
from service.edge.request_fields import App
from service.tables.audit import app_subject

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
