"""CodeDeploy's pre-traffic hook: runs a software device through new versions before a request of an app reaches them.

Tells CodeDeploy whether they may take traffic. Whatever goes wrong here is a no: a deployment that is not answered
would hang for an hour, and one that nothing looked at would not be a canary. The versions come by the environment,
which CloudFormation sets before it moves an alias: two functions of the template share this code, since the
authorizer is made after the verifier's API and cannot be looked at before it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from bonafide_tokens.origin_secret import HEADER
from botocore.exceptions import BotoCoreError, ClientError
from service.aws import code_deploy, functions
from service.settings import CheckNewVersionSettings, SettingsError, read_settings
from service.telemetry.decisions import logger, places
from software_device import KnownApp, read_device
from version_checks import NO_APP, Call, CheckFailed, Surroundings, check_authorizer, check_verifier

_ANSWERING: Final = 25.0
"""Seconds that a version may take to answer: a cold start, and its own timeout."""

_REPETITIONS: Final = 6
_PAUSE: Final = 5.0
"""Permissions that came with this deployment take seconds to count everywhere."""


def calls(settings: CheckNewVersionSettings, client: Any, sleep: Callable[[float], None] = time.sleep) -> Call:
    """How the checks have a version answer. Raises :class:`CheckFailed` where it does not."""
    versions = {
        "issue_challenge": settings.issue_challenge_version,
        "appraise_evidence": settings.appraise_evidence_version,
        "renew_token": settings.renew_token_version,
        "report_signal": settings.report_signal_version,
        "report_failure": settings.report_failure_version,
        "release_secrets": settings.release_secrets_version,
        "serve_policy": settings.serve_policy_version,
        "authorize_request": settings.authorize_request_version,
    }

    def call(function: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
        arn = versions[function.removeprefix("live ")]
        if function.startswith("live "):
            arn = f"{arn.rpartition(':')[0]}:{settings.alias}"
        if settings.canary_origin_secret:
            event = _through_edge(event, settings.canary_origin_secret)
        answer = _invoke(client, function, arn, json.dumps(event).encode("utf-8"), sleep)
        if not isinstance(answer, dict):
            raise CheckFailed(f"{function}: its answer is no object")
        return answer

    return call


def _through_edge(event: Mapping[str, Any], secret: str) -> Mapping[str, Any]:
    headers, values = {**event["headers"], HEADER: secret}, {**event["multiValueHeaders"], HEADER: [secret]}
    return {**event, "headers": headers, "multiValueHeaders": values}


def _invoke(client: Any, function: str, arn: str, payload: bytes, sleep: Callable[[float], None]) -> Any:
    for attempt in range(_REPETITIONS):
        try:
            answer = client.invoke(FunctionName=arn, Payload=payload)
            document = answer["Payload"].read()
            break
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if not code.startswith("AccessDenied") or attempt == _REPETITIONS - 1:
                raise CheckFailed(f"{function}: {arn} could not be invoked ({code})") from None
            sleep(_PAUSE)
        except BotoCoreError as error:
            raise CheckFailed(f"{function}: {arn} could not be invoked ({type(error).__name__})") from None
    if answer.get("FunctionError"):
        raise CheckFailed(f"{function}: it ended with an error instead of an answer; see its log")
    try:
        return json.loads(document)
    except ValueError:
        raise CheckFailed(f"{function}: its answer is not JSON") from None


def surroundings(settings: CheckNewVersionSettings, now: float) -> Surroundings:
    """What the checks go by. Raises :class:`ValueError` for a device that is none."""
    name = settings.canary_app or NO_APP
    app, root = KnownApp(name, "canary.invalid", bytes(32)), None
    if settings.canary_device:
        app, root = read_device(settings.canary_device)
    return Surroundings(
        issuer=settings.token_issuer,
        audience=settings.audience,
        root_keys=settings.root_public_key,
        token_header=settings.token_header,
        proof_header=settings.proof_header,
        origin=settings.external_origin,
        app=app,
        registered=bool(settings.canary_app or settings.canary_device),
        root=root,
        behind_edge=bool(settings.origin_secret_hashes) and not settings.canary_origin_secret,
        now=now,
    )


def check(settings: CheckNewVersionSettings, call: Call, *, now: float, told: Callable[[str], None]) -> None:
    """Check what the settings name; each thing that holds is ``told``. Raises :class:`CheckFailed`."""
    try:
        given = surroundings(settings, now)
    except ValueError as error:
        raise CheckFailed(str(error)) from None
    run = check_authorizer if settings.authorize_request_version else check_verifier
    for sentence in run(call, given):
        told(sentence)


def verdict(env: Mapping[str, str], *, now: float) -> str:
    """Why the new versions must not take traffic; empty when they may."""
    try:
        settings = read_settings(CheckNewVersionSettings, env)
        check(settings, calls(settings, functions(_ANSWERING)), now=now, told=lambda text: logger().info(text))
    except (CheckFailed, SettingsError) as error:
        return str(error)
    except Exception as error:  # a check that cannot be made is one that failed
        logger().error("unexpected error", error_type=type(error).__qualname__, at=places(error))
        return f"the checks themselves failed: {type(error).__qualname__}"
    return ""


def handler(event: Mapping[str, Any], _context: object) -> Mapping[str, object]:
    """Lambda's entry, for CodeDeploy."""
    failed = verdict(os.environ, now=time.time())
    deployment = str(event["DeploymentId"])
    if failed:
        logger().error("new version refused", deployment=deployment, failed=failed)
    else:
        logger().info("new version accepted", deployment=deployment)
    code_deploy().put_lifecycle_event_hook_execution_status(
        deploymentId=deployment,
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status="Failed" if failed else "Succeeded",
    )
    return {"failed": failed}
