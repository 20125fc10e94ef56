"""The stage for a scenario on a stack: the app that is attacked, and its devices."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bonafide.operator.admin_api import AdminApi, AdminCalls
from bonafide.operator.deployment import Deployment
from bonafide.operator.known_builds import RegisteredBuilds
from bonafide.operator.layout import Layout
from bonafide.operator.registration import DEMO_APP, Registrations
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.client import ApiClient
from devkit.fleet import known_builds
from devkit.fleet.live.cast import Cast
from devkit.fleet.live.play import Stage, cast_for
from devkit.fleet.scenario import REGISTRATIONS
from devkit.local.vendor_servers import outage_beside

BUILDS_APP: Final = "red-fleet-builds"
"""The demo app with known builds, whose owner has others refused."""
_PATIENCE: Final = 30.0
_APPS: Final = {"botched-release": BUILDS_APP, "vendor-outage": DEMO_APP}


def stage_for(
    name: str, deployment: Deployment, layout: Layout, *, app: str = "", admin: AdminCalls | None = None
) -> Stage:
    """The stage of a scenario; its app is registered there. ``app`` is left aside where the scenario needs another: one
    with known builds, or the demo app, which has Google's account. Raises
    :class:`~bonafide.operator.errors.OperatorError`."""
    chosen = _APPS.get(name) or app or DEMO_APP
    registrations = Registrations(deployment.aws("dynamodb"), deployment.tables["apps"])
    if chosen == BUILDS_APP:
        registrations.put(replace(known_builds.REGISTRATION, app=BUILDS_APP, unknown_builds="refuse"))
        builds = RegisteredBuilds(admin or AdminApi(deployment))
        for build in known_builds.BUILDS:
            builds.put(BUILDS_APP, build)
    else:
        registrations.put(replace(REGISTRATIONS[0], app=chosen))
    return Stage(
        client=ApiClient(
            verifier_url=deployment.verifier_url,
            guarded_url=deployment.guarded_url,
            patience=0.0 if name == "vendor-outage" else _PATIENCE,
        ),
        cast=cast_for(name, Cast(DeviceAuthority.load_or_create(layout.authority), chosen)),
        authority=layout.authority,
        outage=outage_beside(layout.status_list) if deployment.is_local else None,
    )
