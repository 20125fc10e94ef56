"""POST /v1/attestations: verifies and appraises evidence, enrols the attested key, mints the first token.

Once per install. Whatever can fail comes before the redemption, so a refusal or an outage consumes nothing. When the
answer is lost, the same request again is answered again: an iPhone attests a key only once.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from attestation.android.key_attestation import NO_SIGNER
from attestation.appraisal.policy import AppraisalContext
from attestation.client_data import ClientData, parse_client_data
from attestation.errors import AttestationError, Reason, RejectedEvidence
from attestation.evidence import AndroidKeyAttestation, AppleAttestation, HarmonyKeyAttestation
from bonafide_tokens.jose import b64url_decode, b64url_encode
from service.admission.strain import Strain
from service.edge.gateway import RequestModel
from service.edge.http import Call, Wiring, endpoint, json_members
from service.edge.request_fields import App, ClientDataText, EvidenceList
from service.errors import Contraindicated, Rejected
from service.errors import Reason as ServiceReason
from service.evidence_set import EvidenceSet, StageEvidence
from service.incidents.document.named_keys import NamedKeys
from service.keys.fact_keys import FactPurpose, FactSeal
from service.keys.key_ring import KeyRing
from service.keys.token_issuer import TokenIssuer
from service.policies.active import ActivePolicies
from service.policies.app_states import AppStates
from service.receipts.new_receipts import NewReceipts
from service.redemption import Redemption
from service.settings import AppraiseEvidenceSettings, read_settings
from service.tables.apps import RegisteredApp
from service.tables.attested_keys import AttestedKeys, EnrolledKey, Enrolment, ends_at
from service.tables.device_bound import DeviceBound
from service.tables.known_builds import Builds
from service.telemetry.decisions import DecisionRecord, count
from service.vendors.endorsements import VendorEndorsements
from service.vendors.play_integrity import PlayIntegrity
from service.wiring import fact_keys, judging, token_key_ring

ENROLLING: Final = (AppleAttestation, AndroidKeyAttestation, HarmonyKeyAttestation)
"""Evidence that proves a new key."""


class AttestationRequest(RequestModel):
    """An app, what it says, and what proves it."""

    app: App
    client_data: ClientDataText
    evidence: EvidenceList


class AttestationCall(RequestModel):
    """A request, and SHA-256 of its bytes, by which a repetition is recognised."""

    body: AttestationRequest
    digest: bytes


def enrol(
    call: AttestationCall,
    *,
    states: AppStates,
    builds: Builds,
    key_ring: KeyRing,
    attested_keys: AttestedKeys,
    redemption: Redemption,
    token_issuer: TokenIssuer,
    endorsements: VendorEndorsements,
    play: PlayIntegrity,
    policies: ActivePolicies,
    named_keys: NamedKeys,
    challenge_lifetime: int,
    key_idle: int,
    strain: Strain,
    passes: StageEvidence | None = None,
    record: DecisionRecord,
    now: float,
) -> Mapping[str, object]:
    """Enrol the attested key that the evidence proves, and answer with its first token.

    ``challenge_lifetime`` and ``key_idle`` (how long an unused key is remembered) are in seconds; ``passes`` are those
    of a test stage. Raises
    :class:`~attestation.errors.AttestationError`; nothing is stored then. Raises
    :class:`~service.errors.Unavailable`: then the same request again, byte by byte, gets its token, whether this one
    was stored or not.
    """
    request = call.body
    shown = None if passes is None else passes.read(request.evidence)
    evidence = EvidenceSet.read(request.evidence, proving=ENROLLING) if shown is None else shown
    client_data = parse_client_data(b64url_decode(request.client_data))

    try:
        challenge = key_ring.open_challenge(client_data.challenge, lifetime=challenge_lifetime, now=now)
        challenge.require_app(request.app)
    except RejectedEvidence as refused:
        if refused.reason is Reason.CHALLENGE_EXPIRED:  # and its seal holds
            _note_caller(record, request.app, evidence, client_data)
            app = states.of_app(request.app, now).registered
            _require_not_enrolled(evidence, client_data, app, attested_keys, endorsements, now)
        raise
    _note_caller(record, request.app, evidence, client_data)
    record.note_challenge(challenge)
    state = states.of_app(request.app, now)
    app = state.registered
    if app is None:
        raise Rejected(ServiceReason.APP_UNKNOWN, "no such app is registered")

    try:
        claims = evidence.verify(
            client_data=client_data,
            challenge=challenge,
            app=app,
            endorsements=endorsements,
            play=play,
            now=now,
        )
    except RejectedEvidence as refused:
        if refused.reason is Reason.SIGNER_MISMATCH and refused.detail != NO_SIGNER:
            record.detection.signer = "other"  # as the hardware attests: its chain was verified before the signer
        raise
    record.key_id, record.platform = claims.key_id, claims.platform.value
    record.detection.note_proof(claims)
    sealing_key = evidence.endorsed(client_data, claims=claims, app=app, endorsements=endorsements, now=now)
    build = app.builds.compare(builds, app=app.app, claims=claims, client_data=client_data)
    record.note_build(build)

    active = policies.of_head(state.head, claims.key_id)
    named = named_keys.naming(app.app, claims, now)
    context = AppraisalContext(
        claims=claims,
        client_data=client_data,
        now=now,
        build=build,
        app=app.app,
        event="enrol",
        country=record.country,
        incidents=named.incidents,
        incident_warnings=named.warnings,
    )
    result = active.appraise(context, record)
    if not result.accepted:
        raise Contraindicated(result)

    ready = token_issuer.ready(
        min(now, state.as_of),
        tokens_from=active.tokens_from,
        stress=strain.of(app, now),
    )
    record.stretched = ready.stretched_by(result, claims)
    moment = int(now)
    stored = redemption.enrol(
        challenge,
        EnrolledKey(
            key_id=claims.key_id,
            app=app.app,
            claims=claims,
            counter=claims.counter,
            receipt=claims.receipt,
            enrolled_at=moment,
            last_seen=moment,
            expires_at=ends_at(claims, moment + key_idle),
            enrolment=Enrolment(challenge.nonce, call.digest),
            sealing_key=sealing_key,
            home_country=record.country,
        ),
    )
    if not stored:
        count("EnrolmentAnsweredAgain")
    return ready.answer(
        app, claims=claims, client_data=client_data, result=result, client_policy_version=active.client_policy_version
    )


def _require_not_enrolled(
    evidence: EvidenceSet,
    client_data: ClientData,
    app: RegisteredApp | None,
    attested_keys: AttestedKeys,
    endorsements: VendorEndorsements,
    now: float,
) -> None:
    """Raise that the key is enrolled or blocked, if it is, instead of "the challenge has expired".

    An app that never heard that its key enrolled comes back too late. With another challenge it could not do better,
    as an iPhone does not attest the same key again; it must renew.
    """
    if app is None:
        return
    try:
        claims = evidence.prove(client_data=client_data, app=app, endorsements=endorsements, now=now)
    except AttestationError:
        return  # evidence that does not verify names no key
    key = attested_keys.find(claims.key_id)
    if key is not None and key.app == app.app and key.expires_at > now:
        key.require_usable(now)
        raise Rejected(ServiceReason.KEY_ALREADY_ENROLLED, "this key was enrolled before, and the challenge expired")


def _members(call: Call) -> object:
    return {"body": json_members(call), "digest": sha256(call.body or b"").digest()}


def _note_caller(record: DecisionRecord, app: str, evidence: EvidenceSet, client_data: ClientData) -> None:
    """What the caller says, for the decision's line, once the challenge's seal holds: a flood of invented challenges
    writes no text of its own into logs and archive."""
    record.app, record.environment = app, evidence.environment
    record.note_client_data(client_data)
    if isinstance(evidence.proof, AppleAttestation) and len(evidence.proof.key_id or b"") == 32:
        record.key_id = b64url_encode(evidence.proof.key_id or b"")


def wire(env: Mapping[str, str]) -> Wiring:
    """The collaborators, from the environment."""
    settings = read_settings(AppraiseEvidenceSettings, env)
    key_ring, facts = token_key_ring(settings), fact_keys(settings)
    device_bound = DeviceBound(settings.play_requests_table, settings.enrolments_per_device_day)
    return Wiring(
        collaborators=judging(settings, key_ring, facts, device_bound, NewReceipts(settings.receipts_table)),
        support_code=key_ring.support_code,
        allowed_origin=settings.allowed_origin,
        country_header=settings.country_header,
        origin_secret_hashes=settings.origin_secret_hashes,
        network_header=settings.network_header,
        fact_seal=FactSeal(facts, also=(FactPurpose.ROWS,)),
    )


handler = endpoint(AttestationCall, enrol, wire, success=201, action="enrol", members=_members)
