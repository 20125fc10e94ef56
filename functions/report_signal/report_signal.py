"""POST /v1/signals: an app reports a threat at once, between two renewals.

Authenticated as a call of a guarded API is, by token and proof, but checked here: the proof must sign this very body,
and is good once. A report grants nothing. It is judged with the key's stored claims, noted on the key for the renewals
to come, and blocks the key at the gate where a rule of the active policy says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from attestation.appraisal.appraise import appraise_context
from attestation.appraisal.facts import facts_of
from attestation.appraisal.policy import AppraisalContext
from attestation.appraisal.result import AttestationResult
from attestation.appraisal.signal_history import note_report
from attestation.appraisal.signals import lowering_signals
from attestation.client_data import MAX_CLIENT_DATA_BYTES, MAX_SIGNALS, ClientData, Signal, parse_signals
from pydantic import Field
from service import wiring
from service.aws import dynamodb
from service.edge.gateway import RequestModel
from service.edge.http import Wiring, endpoint
from service.edge.signed_call import SignedCall, signed_members, verify_signed
from service.incidents.document.named_keys import NamedKeys
from service.keys.fact_keys import FactSeal
from service.keys.key_ring import KeyRing, wire_key_ring
from service.keys.own_bundle import OwnTrustBundle, wire_own_bundle
from service.keys.rule_blocks import RuleBlocks, wire_blocking
from service.policies.active import ActivePolicies
from service.policies.store import DynamoDBPolicies
from service.settings import ReportSignalSettings, read_settings
from service.signal_history import note_best_effort
from service.tables.attested_keys import AttestedKeys, DynamoDBAttestedKeys, EnrolledKey, key_of_token
from service.tables.signing_keys import Purpose
from service.tables.spent_proofs import DynamoDBSpentProofs, SpentProofs
from service.telemetry.decisions import DecisionRecord

ROUTE: Final = "/v1/signals"

NOTING_ATTEMPTS: Final = 3


class ReportedSignals(RequestModel):
    """The body: names, or objects with a name and a detail, as in client data, and no larger than client data."""

    signals: Annotated[list[Any], Field(min_length=1, max_length=MAX_SIGNALS)]


class SignalReport(SignedCall):
    """The call with its body."""

    body: ReportedSignals


def report(
    request: SignalReport,
    *,
    trust_bundle: OwnTrustBundle,
    key_ring: KeyRing,
    attested_keys: AttestedKeys,
    spent_proofs: SpentProofs,
    policies: ActivePolicies,
    named_keys: NamedKeys,
    rule_blocks: RuleBlocks,
    token_header: str,
    proof_header: str,
    external_origin: str,
    signal_memory: int,
    record: DecisionRecord,
    now: float,
) -> Mapping[str, object]:
    """Take a report.

    ``external_origin`` is what clients see before this API's own path, empty for the request's own domain;
    ``signal_memory`` how long a signal counts, in seconds. The answer says nothing of the verdict but what the policy
    advises. Raises :class:`~bonafide_tokens.errors.BonafideError` or :class:`~service.errors.Unavailable`; then the
    proof may be spent, and the same signals can be sent again with another one.
    """
    signals = parse_signals(request.body.signals)

    token, proof = verify_signed(
        request,
        route=ROUTE,
        bundle=trust_bundle.current(now),
        external_origin=external_origin,
        token_header=token_header,
        proof_header=proof_header,
        now=now,
        on_token=record.note_token,
    )

    key = key_of_token(attested_keys, token, now)
    key_ring.region(now).require_home(key.region)
    record.note_enrolment(key.enrolled_at, key.home_country)
    record.note_request_key(proof.request_key)
    record.detection.proved = True  # the key that signed this report is one that the attested key signed
    active = policies.for_key(key.app, key.key_id, now)
    record.client_policy_version = active.client_policy_version
    spent_proofs.spend(proof)

    said = ClientData(
        digest=b"",
        challenge="",
        request_key=proof.request_key,
        app_build=token.app_build,
        measurements={},
        signals=signals,
    )
    named = named_keys.naming(key.app, key.claims, now)
    own = AppraisalContext(
        claims=key.claims,
        client_data=said,
        now=now,
        app=key.app,
        event="signal",
        country=record.country,
        incidents=named.incidents,
        incident_warnings=named.warnings,
    )
    judged = own
    if key.noted is not None:
        judged = replace(own, client_data=key.noted.reminded(said, now=now, memory=signal_memory))
    record.note_facts(facts_of(judged))
    result = appraise_context(judged, active.appraisal)
    record.note_result(result)
    raised = lowering_signals(own, active.appraisal)
    _note(attested_keys, key, raised, result, memory=signal_memory, request_id=record.request_id, now=now)
    # By what it says now, not by what it was reminded of: a block that ended does not begin again by itself.
    rule_blocks.place(
        result.findings if key.noted is None else active.appraisal.findings(own),
        key_id=key.key_id,
        policy_version=active.version,
        now=now,
    )
    return {"client_policy_version": active.client_policy_version, "advice": list(result.advice)}


def _note(
    attested_keys: AttestedKeys,
    key: EnrolledKey,
    raised: tuple[Signal, ...],
    result: AttestationResult,
    *,
    memory: float,
    request_id: str,
    now: float,
) -> None:
    """Note what was raised. Two reports of one device at the same moment are both noted; beyond, best effort."""
    noted = note_report(key.noted, raised=raised, result=result, now=now, memory=memory)
    for _ in range(NOTING_ATTEMPTS):
        if noted is None:
            return
        if note_best_effort(attested_keys, key, noted, request_id):
            return
        found = attested_keys.find(key.key_id)
        if found is None:
            return
        key, noted = found, note_report(found.noted, raised=raised, result=result, now=now, memory=memory)


def wire(env: Mapping[str, str]) -> Wiring:
    """The collaborators, from the environment."""
    settings = read_settings(ReportSignalSettings, env)
    key_ring = wire_key_ring(settings, Purpose.CHALLENGE)
    keys = wiring.fact_keys(settings)
    return Wiring(
        collaborators={
            "trust_bundle": wire_own_bundle(settings),
            "key_ring": key_ring,
            "attested_keys": DynamoDBAttestedKeys(dynamodb(), settings.attested_keys_table, settings.key_rows),
            "spent_proofs": DynamoDBSpentProofs(dynamodb(), settings.nonces_table),
            "policies": ActivePolicies(DynamoDBPolicies(dynamodb(), settings.policies_table)),
            "named_keys": wiring.named_keys(settings, keys),
            **wire_blocking(settings),
            "token_header": settings.token_header,
            "proof_header": settings.proof_header,
            "external_origin": settings.external_origin,
        },
        support_code=key_ring.support_code,
        allowed_origin=settings.allowed_origin,
        country_header=settings.country_header,
        origin_secret_hashes=settings.origin_secret_hashes,
        network_header=settings.network_header,
        fact_seal=FactSeal(keys),
    )


handler = endpoint(
    SignalReport, report, wire, success=202, action="signal", members=signed_members(MAX_CLIENT_DATA_BYTES)
)
