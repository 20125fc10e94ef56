"""Use cases of the Admin API: which builds of an app are known, and which were withdrawn."""

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
from service.tables.known_builds import Build

Digest = Annotated[str, Field(pattern=r"\A[0-9a-fA-F]{64}\z")]


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


class RegisterBuild(RequestModel):
    """POST /admin/apps/{app}/builds. ``parts`` maps a part's name to each SHA-256 (hex) that it may have."""

    app: App
    platform: Annotated[str, Field(max_length=20)]
    build: Annotated[str, Field(min_length=1, max_length=100)]
    version_name: Annotated[str, Field(max_length=200)] | None = None
    parts: Annotated[
        dict[Annotated[str, Field(max_length=1024)], Annotated[list[Digest], Field(max_length=200)]],
        Field(max_length=10_000),
    ] = Field(default_factory=dict)
    why: Annotated[str, Field(max_length=1000)] = ""


def register_build(request: RegisterBuild, call: StackCall) -> dict[str, object]:
    """Register a build of an app, or add another artefact to one that is known."""
    parts = {name: tuple(digest.lower() for digest in digests) for name, digests in request.parts.items()}
    build = Build(
        platform=request.platform, build=request.build, version_name=request.version_name or None, parts=parts
    )
    details: dict[str, str | int] = {"platform": request.platform, "build": request.build, "parts": len(parts)}
    entry = entry_of(call, app_subject(request.app), "register-build", request.why, details)
    with shown_in_doubt(f"bonafide app builds {request.app}"), refused_as(UNKNOWN_APP):
        return call.stack.builds.put(request.app, build, entry).to_record()


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
