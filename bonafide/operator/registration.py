"""Registering an app, through the Admin API. ``service.admin.registration`` says what a registration must be."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

from service.admin.registration import (
    DEMO_APP,
    DEMO_APPLE_APP_ID,
    ENVIRONMENTS,
    PLATFORMS,
    UNKNOWN_BUILDS,
    Registration,
    Registrations,
    digest_text,
)

from bonafide.operator.admin_api import AdminCalls, AdminProblem, segment

__all__ = [
    "DEMO_APP",
    "DEMO_APPLE_APP_ID",
    "ENVIRONMENTS",
    "PLATFORMS",
    "UNKNOWN_BUILDS",
    "RegisteredApps",
    "Registration",
    "Registrations",
    "digest_text",
]

_OF_THE_STACK: Final = ("app", "created_at", "updated_at", "revision")


@dataclass(frozen=True, slots=True)
class RegisteredApps:
    """The apps of one stack. Every method raises :class:`~bonafide.operator.errors.OperatorError`."""

    api: AdminCalls

    def list(self) -> list[Registration]:
        """Every app, by name."""
        return [Registration.from_record(record) for record in self.api.call("GET", "/admin/apps")["apps"]]

    def get(self, app: str) -> Registration:
        """One app."""
        return Registration.from_record(self.api.call("GET", f"/admin/apps/{segment(app)}"))

    def find(self, app: str) -> Registration | None:
        """One app, or ``None`` when it is not registered."""
        try:
            return self.get(app)
        except AdminProblem as problem:
            if problem.slug == "unknown-app":
                return None
            raise

    def put(self, registration: Registration) -> Registration:
        """Register an app, or change one that stands at ``registration.revision``; what stands now."""
        registration.check()
        record: dict[str, Any] = registration.to_record()
        body = {name.name: record[name.name] for name in fields(registration) if name.name not in _OF_THE_STACK}
        body["revision"] = registration.revision
        answer = self.api.call("PUT", f"/admin/apps/{segment(registration.app)}", body)
        return Registration.from_record(answer)
