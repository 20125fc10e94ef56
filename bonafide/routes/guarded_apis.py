"""What each route of a guarded API asks for, through the Admin API: no change of another operator is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.admin.guarded_apis import GuardedApi, is_audience

from bonafide.operator.admin_api import AdminApi, AdminCalls, AdminProblem, segment
from bonafide.operator.deployment import Deployment
from bonafide.operator.errors import OperatorError
from bonafide.routes.route_list import Routes

__all__ = ["GuardedApi", "GuardedApis"]

_ATTEMPTS: Final = 8


@dataclass(frozen=True, slots=True)
class GuardedApis:
    """The APIs of one stack. Every method raises :class:`~bonafide.operator.errors.OperatorError`."""

    api: AdminCalls

    @classmethod
    def of(cls, deployment: Deployment) -> GuardedApis:
        """The APIs of a stack."""
        return cls(AdminApi(deployment))

    def list(self) -> list[GuardedApi]:
        """Every API, by audience: those of the table, and those that are only in the trust bundle."""
        return [_api(record) for record in self.api.call("GET", "/admin/apis")["apis"]]

    def find(self, audience: str) -> GuardedApi | None:
        """One API, or ``None`` when neither the table nor the trust bundle has it."""
        _require_audience(audience)
        try:
            return _api(self.api.call("GET", f"/admin/apis/{segment(audience)}"))
        except AdminProblem as problem:
            if problem.slug == "unknown-api":
                return None
            raise

    def change(
        self, audience: str, edit: Callable[[Routes], Routes], gateway: str | None = None
    ) -> tuple[GuardedApi, Mapping[str, Any]]:
        """Apply ``edit`` to an API's routes, on top of whatever others changed meanwhile; what stands now, and the
        answer as it came. ``edit`` may be called more than once. ``gateway`` is what the API is behind, if told."""
        for _ in range(_ATTEMPTS):
            stood = self.find(audience) or GuardedApi(audience=audience, routes=())
            wanted = GuardedApi(audience=audience, routes=edit(stood.routes)).to_record()
            body = {"routes": wanted["routes"], "revision": stood.revision}
            body |= {} if gateway is None else {"gateway": gateway}
            try:
                answer = self.api.call("PUT", f"/admin/apis/{segment(audience)}", body)
            except AdminProblem as problem:
                if problem.slug != "conflict":
                    raise
            else:
                return _api(answer), answer
        raise OperatorError(f"Others keep changing {audience} at this moment: try again.")


def _require_audience(audience: str) -> None:
    if not is_audience(audience):
        raise OperatorError(
            f"{audience[:80]!r} cannot be an audience: printable ASCII without spaces and percent signs."
        )


def _api(record: Mapping[str, Any]) -> GuardedApi:
    try:
        return GuardedApi.from_record(record)
    except (KeyError, TypeError, ValueError) as error:
        raise OperatorError(
            "The Admin API's answer cannot be read: is it a newer release than this command?"
        ) from error
