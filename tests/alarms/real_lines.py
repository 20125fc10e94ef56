"""Metrics of our own, each from the line that the product's code writes when that happens to it.

Something is broken, or something is asked, and what the functions print is read as CloudWatch would read it. So an
alarm over another name, dimension or unit than the code's has nothing to look at.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

import administer
import exchange_receipts
import refresh_endorsements
import rotate_signing_key
from attestation.appraisal.result import Finding, Tier
from attestation.claims import Platform
from bonafide_tokens.counting.tally import TALLIES
from bonafide_tokens.gate.bundle_client import BundleUnreachable
from botocore.exceptions import ClientError
from count_decisions import count_decisions
from decision_log import log_bundle
from deliver_webhooks import deliver_webhooks
from service.admin.publication import InvokedPublication
from service.errors import Unavailable
from service.incidents.document.named_keys import NamedKeys
from service.keys.fact_keys import FactKeys
from service.keys.kms import KmsRootKey
from service.keys.publish_debounce import InvokedRequests
from service.keys.rule_blocks import RuleBlocks
from service.roots.accepted import StackRoots
from service.tables.revocations import KEY
from service.tallies.known_apps import KnownApps
from service.tallies.table import TalliesTable
from service.tallies.tally_line import read_tally_line
from service.tallies.tally_metrics import counted_metrics
from service.telemetry.decisions import logger
from service.telemetry.detection_lines import log_detector_failed, log_left_out, log_not_told, log_unread
from service.telemetry.open_incidents import DETECTORS, count_open
from service.telemetry.tally_lines import count_decision, forget_counts
from service.telling.incident_event import Change, event_of
from service.telling.sending import Outcome
from service.vendors.app_secrets import SecretKind
from service.vendors.outbound import Answer

from devkit.devices.key_store_installation import Play
from tests.alarms.log_lines import Value, kept, lines_of, metrics_of
from tests.receipts.simulated import World as ReceiptWorld
from tests.service_stack.fact_fakes import MemoryFactKeys
from tests.service_stack.fakes import SoftwareWrappingKey
from tests.service_stack.google import service_account
from tests.service_stack.memory_stack import APP, NOW, MemoryStack
from tests.service_stack.told_incidents import AT, MemoryWebhooks, incident, webhook
from tests.unit.cedar.every_member import claims_of
from tests.unit.gate.stand import KEY_ID, Call, Stand, blocked, bundle, token
from tests.unit.gate.stand import NOW as GATE_NOW
from tests.webhooks.world import World

STACK: Final = "stack"
_ENVIRONMENT: Final = {"STACK_NAME": STACK, "POWERTOOLS_SERVICE_NAME": "bonafide", "AWS_LAMBDA_LOG_LEVEL": "WARN"}
"""As the template has them, at the level that keeps least of what the documentation promises to keep."""


def _fails(*_arguments: object, **_named: object) -> Any:
    raise Unavailable("dynamodb:GetItem: InternalServerError")


def _refused_by(code: str) -> Callable[..., Any]:
    def call(**_arguments: object) -> Any:
        raise ClientError({"Error": {"Code": code}}, "call")

    return call


def _send(path: str, *, stack: MemoryStack, broken: Callable[[], None] = lambda: None) -> None:
    """A good request that meets what ``broken`` breaks."""
    installation = stack.installation()
    if path == "/v1/attestations":
        body = installation.attestation_body(installation.client_data(stack.challenge()))
    else:
        stack.enrol(installation)
        body = installation.renewal_body(installation.client_data(stack.challenge()))
    broken()
    stack.send("POST", path, body)


def _enrol_unavailable() -> None:
    stack = MemoryStack()
    _send("/v1/attestations", stack=stack, broken=lambda: setattr(stack.apps, "find", _fails))


def _renew_unavailable() -> None:
    stack = MemoryStack()
    _send("/v1/tokens", stack=stack, broken=lambda: setattr(stack.attested_keys, "find", _fails))


def _unexpected_error() -> None:
    stack = MemoryStack()
    _send("/v1/attestations", stack=stack, broken=lambda: setattr(stack.apps, "find", {}.pop))


def _policy_unreadable() -> None:
    stack = MemoryStack()
    stack.publish_client_policy()
    stored = stack.policies.versions[APP, 1]
    stack.policies.versions[APP, 1] = replace(stored, appraisal="forbid (principal, action, resource")
    _send("/v1/attestations", stack=stack)


def _block_lost() -> None:
    finding = Finding("hooked", Tier.CONTRAINDICATED, block_seconds=60)
    lost = RuleBlocks(SimpleNamespace(block_automatically=_fails), MemoryStack().publication)
    lost.place_best_effort([finding], key_id="k", policy_version=1, now=NOW, request_id="r")


def _blocks_not_listed() -> None:
    stack = MemoryStack()
    publisher = stack.rotation.publisher
    publisher.publish(now=NOW)
    latest = publisher.trust_bundles.latest(publisher.issuer)
    assert latest is not None
    stack.revocations.rows += [
        {"app": APP, "revoked": f"{KEY}{number:043}", "expires_at": int(NOW) + 999, "at": number} for number in range(9)
    ]
    with patch("service.keys.publishing.MAX_TRUST_BUNDLE_CHARACTERS", len(latest.jws) + 300):
        publisher.publish(now=NOW)


def _incidents_unread() -> None:
    def refused(**_: object) -> None:
        raise Unavailable("dynamodb:Query incidents")

    documents = SimpleNamespace(latest=refused)
    NamedKeys(documents, FactKeys(MemoryFactKeys(), SoftwareWrappingKey())).naming(APP, claims_of(Platform.IOS), NOW)


def _rotation() -> None:
    stack = MemoryStack()
    rotate_signing_key.rotate_keys(
        action="tick",
        rotation=stack.rotation,
        debounce=stack.marker,
        roots=StackRoots(stack.root_key),
        now=NOW + 31 * 86_400,
    )


def _gate_without_a_bundle() -> None:
    stand = Stand()
    stand.served = BundleUnreachable("connection failed")
    stand.answer(Call().event())
    for reason, detail in stand.notes:
        log_bundle(reason, detail)  # type: ignore[arg-type]


def _play_quota_spent() -> None:
    stack = MemoryStack()
    stack.play_daily_quota = stack.play_enrolment_reserve = 0
    kind = SecretKind.PLAY_SERVICE_ACCOUNT
    stack.app_secrets.seal(APP, "play-account", kind, service_account(), stack.wrapping, NOW)
    stack.restart()
    stack.enrol(stack.android(play=Play.STANDARD))


def _failing_vendor(*, etag: str | None) -> Answer:
    del etag
    return Answer(500, {}, b"")


def _receipts() -> None:
    """A run whose token Apple does not take."""
    world = ReceiptWorld()
    world.enrol(world.phone())
    world.network = lambda _world, _receipt: Answer(401, {}, b"")
    exchange_receipts.tell(world.run(), STACK)


def _endorsements() -> None:
    stack = MemoryStack()
    refresh_endorsements.refresh(
        refresh_endorsements.RefreshRequest(action="refresh", force=True),
        table=stack.status_lists,
        fetch=_failing_vendor,
        max_age=86_400,
        stack=STACK,
        now=NOW + 60,
    )


def _counted() -> None:
    """What many processes counted, as `count_decisions` reports it: each class of the gate, challenges, failures."""
    written = io.StringIO()
    with redirect_stdout(written):
        stand = Stand(list_accepted=False)
        expired, other = token(now=GATE_NOW - 1000), token(audience=("https://other.example",))
        for call in (
            *(Call(), Call(), Call(token=None), Call(token=expired), Call(token="x"), Call(token=other)),
            Call(path="/public/x", token=None, proof=None),
        ):
            stand.answer(call.event())
        stand.serve(bundle(version=8, apps=blocked(KEY_ID)))
        stand.now += 40
        stand.answer(Call(made_at=stand.now, jti="another").event())
        count_decision("challenge", at=stand.now, app=APP, outcome="issued")
        count_decision("beacon", at=stand.now, app=APP, outcome="reported", why="timeout", facts=("ios", "", "", ""))
        stand.now += 4
        broken = Stand(list_accepted=False)
        broken.gate.decide = {}.pop  # type: ignore[method-assign,assignment]
        broken.answer(Call().event())
        for tally in list(TALLIES):
            tally.flush()
    texts = [text for text in written.getvalue().splitlines() if json.loads(text).get("message") == "tally"]
    counted_metrics([read_tally_line(text, now=stand.now) for text in texts], now=stand.now).write(print)


def _webhook_disabled() -> None:
    """Its receiver answers 410."""
    world = World(MemoryWebhooks(webhook()))
    gone = SimpleNamespace(send=lambda *_arguments: Outcome("410", gone=True))
    world.delivering = replace(world.delivering, sender=gone)  # type: ignore[arg-type]
    world.tell(event_of(Change.OPENED, incident(), stack=STACK, at=AT, name="one"), at=AT)
    world.run(AT + 1)


PRODUCERS: Final[Mapping[str, Callable[[], object]]] = {
    "EnrolAccepted": lambda: _send("/v1/attestations", stack=MemoryStack()),
    "EnrolRefused": lambda: MemoryStack().send("POST", "/v1/attestations", {}),
    "EnrolUnavailable": _enrol_unavailable,
    "RenewAccepted": lambda: _send("/v1/tokens", stack=MemoryStack()),
    "RenewRefused": lambda: MemoryStack().send("POST", "/v1/tokens", {}),
    "RenewUnavailable": _renew_unavailable,
    "Unavailable": _enrol_unavailable,
    "EnrolOwnTime": lambda: _send("/v1/attestations", stack=MemoryStack()),
    "RenewOwnTime": lambda: _send("/v1/tokens", stack=MemoryStack()),
    **dict.fromkeys(
        (
            *("GateAccepted", "GateRefused", "GateUnavailable", "GateBundleAge"),
            *("GateVerified", "GateNoToken", "GateExpired", "GateInvalid", "GateReplayed", "GateRevoked"),
            *("GateWrongAudience", "GateUnchecked", "ChallengesIssued", "FailuresReported", "TallyDelay"),
        ),
        _counted,
    ),
    "UnexpectedError": _unexpected_error,
    "PolicyUnreadable": _policy_unreadable,
    "BlockLost": _block_lost,
    "BlocksNotListed": _blocks_not_listed,
    "PublicationNotAsked": lambda: InvokedRequests(
        MemoryStack().marker, SimpleNamespace(invoke=_refused_by("TooManyRequestsException")), "rotate"
    ).ask(NOW),
    "PublicationFailed": lambda: InvokedPublication(
        SimpleNamespace(invoke=_refused_by("TooManyRequestsException")), "rotate"
    ).now(),
    "TrustBundlePublished": _rotation,
    "SigningKeyOverdue": _rotation,
    "AuthorizerFault": _gate_without_a_bundle,
    "BundleNotRefreshed": _gate_without_a_bundle,
    "KeyUnusable": lambda: _ignoring(
        KmsRootKey(SimpleNamespace(sign=_refused_by("DisabledException")), "root").sign  # type: ignore[arg-type]
    ),
    "AdminNotSigned": lambda: administer.handler({"httpMethod": "GET", "requestContext": {}}, None),
    "PlayQuotaSpent": _play_quota_spent,
    "EndorsementsAge": _endorsements,
    "ReceiptKeyRefused": _receipts,
    "ReceiptsOverdue": _receipts,
    "DetectorFailed": lambda: log_detector_failed("spike", ValueError()),
    "IncidentNotTold": lambda: log_not_told("events", ValueError()),
    "IncidentsUnread": _incidents_unread,
    "IncidentLeftOut": lambda: log_left_out(["spike"]),
    "SightingUnread": lambda: log_unread({"damaged": 1}),
    **{
        "Incident" + "".join(word.capitalize() for word in name.split("-")): partial(count_open, [name])
        for name in DETECTORS
    },
    "WebhookDisabled": _webhook_disabled,
    "WebhookMessageUnreadable": lambda: deliver_webhooks(
        [{"messageId": "1", "receiptHandle": "r", "body": "{}"}], delivering=World(MemoryWebhooks()).delivering, now=AT
    ),
    "TallyDamaged": lambda: count_decisions(
        {},
        table=TalliesTable(SimpleNamespace(), "tallies", 400),  # type: ignore[arg-type]
        apps=KnownApps(SimpleNamespace(), "apps"),  # type: ignore[arg-type]
        now=NOW,
    ),
}
"""By the metric's name: what makes the product count it."""


def _ignoring(call: Callable[[bytes], object]) -> None:
    try:
        call(bytes(32))
    except Unavailable:
        return
    raise AssertionError("it should have failed")


@cache
def real_value(name: str) -> Value:
    """The metric as the product's own code writes it, kept by Lambda at WARN.

    Raises:
        LookupError: when the code writes no such metric.
    """
    written = io.StringIO()
    forget_counts()  # of what other metrics needed, at the same moment
    logger()  # takes level and stream once a process: not these, which are only for the metrics
    with patch.dict(os.environ, _ENVIRONMENT), redirect_stdout(written):
        PRODUCERS[name]()
    values = [value for line in kept(lines_of(written.getvalue()), "WARN") for value in metrics_of(line)]
    found = {value.name: value for value in values}
    if name not in found:
        raise LookupError(f"{name} was not written; there were {sorted(found)}")
    return found[name]


def repeated(name: str, at: Iterable[float], value: float | None = None) -> list[Value]:
    """The metric at these times; with another value where it is one that is measured."""
    line = real_value(name)
    return [replace(line, at=moment, value=line.value if value is None else value) for moment in at]
