"""A cold authorizer: a process of its own, started now, that decides one request and ends."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonafide_tokens.origin_secret import HEADER

from bonafide.operator.layout import Layout
from bonafide.operator.local_account import ACCOUNT_ID, REGION
from devkit.gateway.layer_path import RUNTIME_PACKAGES, import_path
from devkit.gateway.workers import Function, WorkerKind, WorkerLost

_FOLDER: Final = "functions/authorize_request"
_LAYERS: Final = ("layers/cryptography", "layers/tokens")
_PATH: Final = "/v1/whoami"


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Whether the request passed, and seconds from the start of the process to the decision."""

    allowed: bool
    seconds: float


def cold_start(layout: Layout, environment: Mapping[str, str], *, token: str, secret: str) -> ColdStart:
    """Start an authorizer with this environment, and have it decide a request with that token and origin secret."""
    kind = WorkerKind(
        python=Path(sys.executable),
        runtime_packages=layout.packages / RUNTIME_PACKAGES,
        logs=layout.logs,
    )
    folder = layout.root / _FOLDER
    function = Function(
        name="ColdAuthorizer",
        handler="authorize_request.handler",
        folder=folder,
        path=import_path(layout, folder, [layout.root / layer for layer in _LAYERS]),
        environment={**environment, "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
        timeout=15.0,
    )
    began = time.monotonic()
    worker = kind.start(function)
    try:
        answer = json.loads(worker.invoke(json.dumps(_event(token, secret)).encode()))
    except (WorkerLost, ValueError):
        return ColdStart(False, time.monotonic() - began)
    finally:
        worker.stop()
    statements = answer.get("policyDocument", {}).get("Statement", [{}]) if isinstance(answer, dict) else [{}]
    return ColdStart(statements[0].get("Effect") == "Allow", time.monotonic() - began)


def _event(token: str, secret: str) -> dict[str, object]:
    headers = {"OAuth-Client-Attestation": token, HEADER: secret}
    return {
        "type": "REQUEST",
        "methodArn": f"arn:aws:execute-api:{REGION}:{ACCOUNT_ID}:guardedapi/dev/GET{_PATH}",
        "resource": _PATH,
        "path": _PATH,
        "httpMethod": "GET",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "requestContext": {"requestId": "cold-start", "stage": "dev", "path": _PATH, "domainName": "127.0.0.1"},
    }
