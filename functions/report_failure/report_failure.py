"""POST /v1/attestation-failures: an app says that, and why, it could not attest.

Open to anyone and believed by nothing: a report is counted, and no verdict reads the count. Nothing is looked up and
nothing written but the tallies of the log, so that a flood of forged reports costs what it costs to answer. An app that
is not registered is told the same; who counts the lines knows the apps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Self

from attestation.claims import Platform
from attestation.client_data import MAX_BUILD
from pydantic import Field, model_validator
from service.edge.gateway import RequestModel
from service.edge.http import Call, Wiring, endpoint
from service.edge.json_body import MalformedRequest, read_json
from service.edge.request_fields import App
from service.settings import ReportFailureSettings, read_settings
from service.telemetry.attestation_failures import FAILURES, FailureCode
from service.telemetry.tally_lines import count_decision

SOURCE: Final = "beacon"
OUTCOME: Final = "reported"

MAX_BYTES: Final = 8 * 1024
"""Largest report: every text at its longest, written in escapes."""

Text = Annotated[str, Field(max_length=256, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
"""As client data has them: no control characters, which a terminal would obey."""


class FailureReport(RequestModel):
    """What an app says. All of it is the app's own word; ``app_build``, ``os`` and ``model`` are as in client data."""

    app: App
    code: Annotated[FailureCode, Field(strict=False)]
    platform: Annotated[Platform, Field(strict=False)]
    app_build: Annotated[Text, Field(max_length=MAX_BUILD)] = ""
    os: Text = ""
    model: Text = ""

    @model_validator(mode="after")
    def _is_of_the_platform(self) -> Self:
        if self.platform not in FAILURES[self.code].platforms:
            raise ValueError("not a code of this platform")
        return self


def report(request: FailureReport, *, now: float) -> Mapping[str, object]:
    """Count a report. The answer says nothing."""
    count_decision(
        SOURCE,
        at=now,
        app=request.app,
        outcome=OUTCOME,
        why=request.code.value,
        facts=(request.platform.value, request.app_build, request.os, request.model),
    )
    return {}


def _members(call: Call) -> object:
    if call.body is None:
        raise MalformedRequest("no body")
    return read_json(call.body, max_bytes=MAX_BYTES)


def wire(env: Mapping[str, str]) -> Wiring:
    """No collaborators: who may call, from the environment."""
    settings = read_settings(ReportFailureSettings, env)
    return Wiring(
        collaborators={},
        allowed_origin=settings.allowed_origin,
        origin_secret_hashes=settings.origin_secret_hashes,
    )


handler = endpoint(FailureReport, report, wire, success=202, members=_members)
