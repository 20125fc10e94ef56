"""Measures what a request of each path takes, and what the rows that it leaves take: through the real functions, over
the stand-in for AWS, with software devices of this year."""

from __future__ import annotations

import importlib
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from service import aws
from service.items.item_size import item_size
from service.tables.attested_keys import PUBLIC_KEY_OF

from bonafide.cost.costing import HERE, Amounts
from bonafide.operator.registration import Registration
from devkit.devices.android.device import SoftwareAndroid
from devkit.devices.app_instance import AppInstance
from devkit.devices.client import PROOF_HEADER
from devkit.devices.harmony.device import SoftwareHarmony
from devkit.devices.key_store_installation import AndroidInstallation, HarmonyInstallation
from devkit.local.template import Template
from tests.costs.meter import Meter, write_counts
from tests.costs.proxied import PATH as PROXIED
from tests.costs.proxied import measure_proxied
from tests.service_stack.events import rest_event
from tests.service_stack.fault_cases import (
    _client_policy,
    _guarded,
    _guarded_again,
    _secrets,
    _secrets_again,
    _signal,
)
from tests.service_stack.matrix_stack import LambdaContext, MatrixStack, matrix_stack
from tests.service_stack.memory_stack import (
    AGC_APP_ID,
    APP,
    APP_ID,
    AUTHORITY,
    HARMONY_APP_ID,
    HARMONY_SIGNER,
    PACKAGE,
    SIGNER,
    VERIFIER_ORIGIN,
)

FILE: Final = HERE / "measured.json"
TIMES: Final = 5

Event = Callable[[], Any]


def measure(ministack_url: str, folder: Path, *, only: tuple[str, ...] = (), times: int = TIMES) -> dict[str, Any]:
    """Paths and rows, as ``measured.json`` has them; of ``only`` some paths, if they are named."""
    with matrix_stack(ministack_url, folder) as stack:
        _register(stack)
        meter = Meter(stack.world.dynamodb)
        meter.attach(aws.dynamodb())
        meter.attach(aws.kms())
        paths = {
            name: asdict(replace(_measured(stack, meter, *path, times=times), google_requests=name.count("with Play")))
            for name, path in _paths(stack).items()
            if not only or name in only
        }
        if not only or PROXIED in only:
            paths[PROXIED] = measure_proxied(ministack_url, times)
        return {"paths": paths, "rows": _rows(stack)}


def _register(stack: MatrixStack) -> None:
    stack.world.register(
        Registration(
            app=APP,
            revision=1,
            apple_app_ids=(APP_ID,),
            android_packages=(PACKAGE,),
            android_signing_digests=(SIGNER.hex(),),
            harmony_bundle_names=(PACKAGE,),
            harmony_app_ids=(HARMONY_APP_ID, AGC_APP_ID),
        )
    )


def _paths(stack: MatrixStack) -> dict[str, tuple[str, Event, Event]]:
    """By name: the function, its first request, which warms the process up, and each that is measured."""

    def android() -> AppInstance:
        phone = SoftwareAndroid(authority=AUTHORITY.android, package=PACKAGE, signer=SIGNER, clock=time.time)
        return AndroidInstallation.fresh(APP, phone)

    def harmony() -> AppInstance:
        phone = SoftwareHarmony(
            authority=AUTHORITY.harmony,
            bundle_name=PACKAGE,
            signer=HARMONY_SIGNER,
            agc_app_id=AGC_APP_ID,
            clock=time.time,
        )
        return HarmonyInstallation.fresh(APP, phone)

    def enrolment(device: Callable[[], AppInstance]) -> tuple[str, Event, Event]:
        return "appraise_evidence", lambda: stack.attestation(device()), lambda: stack.attestation(device())

    def renewal(device: Callable[[], AppInstance]) -> tuple[str, Event, Event]:
        installation = device()
        answer = stack.call("appraise_evidence", stack.attestation(installation))
        assert answer["statusCode"] == 201, answer

        def event() -> Any:
            return rest_event(
                "POST", "/v1/tokens", installation.renewal_body(installation.client_data(stack.challenge()))
            )

        return "renew_token", event, event

    def same(function: str, event: Callable[[MatrixStack], Any]) -> tuple[str, Event, Event]:
        return function, lambda: event(stack), lambda: event(stack)

    return {
        "challenges": same("issue_challenge", lambda _stack: rest_event("POST", "/v1/challenges", {"app": APP})),
        "enrolments, iOS": enrolment(stack.iphone),
        "enrolments, Android": enrolment(android),
        "enrolments, Android with Play": enrolment(stack.android),
        "enrolments, HarmonyOS": enrolment(harmony),
        "renewals, iOS": renewal(stack.iphone),
        "renewals, Android": renewal(android),
        "renewals, Android with Play": renewal(stack.android),
        "renewals, HarmonyOS": renewal(harmony),
        "signals that block": same("report_signal", _signal),
        "requests for a secret": ("release_secrets", lambda: _secrets(stack), lambda: _secrets_again(stack)),
        "guarded requests (proof-once)": ("authorize_request", lambda: _guarded(stack), lambda: _guarded_again(stack)),
        "guarded requests (proof)": ("authorize_request", lambda: _proof(stack), lambda: _proof(stack)),
        "client policies": same("serve_policy", _client_policy),
        "trust bundles": same("serve_policy", lambda _stack: rest_event("GET", "/v1/trust-bundle")),
    }


def _proof(stack: MatrixStack) -> Any:
    """A guarded request to a route that asks for a proof, as most do."""
    if stack.reporting is None:
        _guarded(stack)
    assert stack.reporting is not None
    installation, token = stack.reporting
    event = _guarded_again(stack)
    proof = installation.proof(method="GET", url=VERIFIER_ORIGIN + "/things", token=token)
    event["headers"] |= {PROOF_HEADER: proof}
    event["multiValueHeaders"] |= {PROOF_HEADER: [proof]}
    event["requestContext"] |= {"path": "/dev/things", "httpMethod": "GET"}
    method_arn = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/dev/GET/things"
    return event | {"httpMethod": "GET", "path": "/things", "methodArn": method_arn}


def _measured(stack: MatrixStack, meter: Meter, function: str, first: Event, event: Event, *, times: int) -> Amounts:
    warming = first()
    handler = stack.cold(function)
    _good(handler(warming, _context()))
    if function == "authorize_request":
        meter.attach(importlib.import_module("spent_proofs")._dynamodb())
    seconds, answer = [], {}
    for _ in range(times):
        measured = event()
        time.sleep(0.15)  # under load a process would go by what it remembers
        write_counts()
        with meter.on():
            answer = handler(measured, _context())
            write_counts()  # the most that a request costs: it has a tally line to itself
        _good(answer)
        seconds.append(meter.seconds)
    gate = function == "authorize_request"
    return Amounts(
        function=function,
        memory_mb=_memory(function),
        processor_ms=round(statistics.median(seconds) * 1000, 1),
        round_trips=meter.round_trips,
        read_units=meter.read,
        write_units=meter.written,
        log_bytes=meter.logged,
        log_lines=len(meter.lines),
        archived_bytes=meter.archived,
        sent_bytes=0 if gate else len(json.dumps({name: answer[name] for name in ("headers", "body")})),
        gateway_requests=0 if gate else 1,
        kms_requests=meter.kms,
    )


def _good(answer: Any) -> None:
    allowed = answer["policyDocument"]["Statement"][0]["Effect"] == "Allow" if "policyDocument" in answer else None
    assert allowed or answer.get("statusCode") in (200, 201, 202), answer


def _context() -> LambdaContext:
    return LambdaContext(time.monotonic() + 60)


def _memory(function: str) -> int:
    template = Template.load(Path(__file__).parents[2] / "template.yaml", parameters={}, pseudo={})
    name = "".join(part.capitalize() for part in function.split("_")) + "Function"
    own: Any = template.data["Resources"][name]["Properties"].get("MemorySize")
    return int(own or template.data["Globals"]["Function"]["MemorySize"])


def _rows(stack: MatrixStack) -> dict[str, int]:
    """The largest row of each kind."""
    sizes: dict[str, int] = {}
    for name, table in sorted(stack.world.tables.items()):
        for row in stack.world.dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]:
            kind = f"{name}: {_kind(name, row)}"
            sizes[kind] = max(sizes.get(kind, 0), item_size(row))
    return sizes


def _kind(table: str, row: dict[str, Any]) -> str:
    match table:
        case "receipts":
            return "Apple's receipt"
        case "attested_keys" if row["key_id"]["S"].startswith(PUBLIC_KEY_OF):
            return "long public key"
        case "attested_keys":
            kind = "iPhone" if "counter" in row else "Android or HarmonyOS"
            noted = " with a note" if "noted" in row else ""
            enrolled = ", just enrolled" if "enrolment" in row else ""
            return f"{kind}{noted}{enrolled}{', blocked' if 'blocked' in row else ''}"
        case "nonces":
            return "spent proof" if row["nonce"]["S"].startswith("proof.") else "spent challenge"
        case "policies":
            return "head" if row["version"]["N"] == "0" else "version"
        case "revocations":
            return "blocked key" if row["app"]["S"].startswith("*blocked") else "not-before or mark"
        case "signing_keys":
            return "wrapped key"
        case "play_requests":
            return str(row["request"]["S"]).partition("/")[0]
    return "row"
