"""Use cases of the Admin API: which builds of an app were withdrawn."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from service.admin.problems import UNKNOWN_APP, refused_as
from service.admin.publication import shown_in_doubt
from service.admin.retired_builds import RetiredBuilds
from service.admin.stack import StackCall, entry_of
from service.edge.gateway import RequestModel
from service.edge.request_fields import App
from service.tables.audit import app_subject


class RetiredBuildsOfApp(RequestModel):
    """GET /admin/apps/{app}/retired-builds."""

    app: App


class RetireBuild(RequestModel):
    """POST /admin/apps/{app}/retired-builds. ``retired`` false lets the build in again."""

    app: App
    platform: Annotated[str, Field(max_length=20)]
    build: Annotated[str, Field(min_length=1, max_length=100)]
    retired: bool = True
    why: Annotated[str, Field(max_length=1000)] = ""


def list_retired_builds(request: RetiredBuildsOfApp, call: StackCall) -> dict[str, object]:
    """The numbers of retired builds, by platform."""
    with refused_as(UNKNOWN_APP):
        return _answer(request.app, call.stack.retired_builds)


def retire_build(request: RetireBuild, call: StackCall) -> dict[str, object]:
    """Retire a build: from now on it enrols and renews nothing, whatever the policy says. Or let it in again."""
    action = "retire-build" if request.retired else "restore-build"
    details = {"platform": request.platform, "build": request.build}
    entry = entry_of(call, app_subject(request.app), action, request.why, details)
    with shown_in_doubt(f"bonafide app builds {request.app}"), refused_as(UNKNOWN_APP):
        changed = call.stack.retired_builds.change(
            request.app, request.platform, request.build, retired=request.retired, entry=entry
        )
        return {**_answer(request.app, call.stack.retired_builds), "changed": changed}


def _answer(app: str, retired_builds: RetiredBuilds) -> dict[str, object]:
    return {"app": app, "retired": {platform: list(builds) for platform, builds in retired_builds.list(app).items()}}
