"""POST /v1/tokens: renews a token, in one round trip, for a signature by the attested key.

The stored claims are brought up to date and appraised again, so a new policy reaches every app within a token's life.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from attestation.appraisal.policy import AppraisalContext
from attestation.appraisal.signal_history import note_refusal
from attestation.appraisal.signals import lowering_signals
from attestation.client_data import parse_client_data
from attestation.errors import Reason, RejectedEvidence
from attestation.evidence import AppleAssertion, KeySignature
from attestation.reverify import reverify
from bonafide_tokens.jose import b64url_decode
from service import wiring
from service.admission.strain import Strain
from service.edge.gateway import RequestModel
from service.edge.http import Wiring, endpoint
from service.edge.request_fields import ClientDataText, EvidenceList, KeyId
from service.errors import Contraindicated, Rejected
from service.errors import Reason as ServiceReason
from service.evidence_set import EvidenceSet, StageEvidence
from service.incidents.document.named_keys import NamedKeys
from service.keys.fact_keys import FactPurpose, FactSeal
from service.keys.key_ring import KeyRing
from service.keys.rule_blocks import RuleBlocks, wire_blocking
from service.keys.token_issuer import TokenIssuer
from service.policies.active import ActivePolicies
from service.policies.app_states import AppStates
from service.redemption import Redemption
from service.settings import RenewTokenSettings, read_settings
from service.signal_history import note_best_effort
from service.tables.attested_keys import AttestedKeys, ends_at
from service.tables.known_builds import Builds
from service.telemetry.decisions import DecisionRecord
from service.telemetry.tally_lines import count_decision
from service.vendors.endorsements import VendorEndorsements
from service.vendors.play_integrity import PlayIntegrity

RENEWING: Final = (AppleAssertion, KeySignature)
"""Evidence that proves possession of an enrolled key."""


class RenewalRequest(RequestModel):
    """An enrolled key, what its app says now, and the key's signature over it."""

    key_id: KeyId
    client_data: ClientDataText
    evidence: EvidenceList


def renew(
    request: RenewalRequest,
    *,
    states: AppStates,
    builds: Builds,
    attested_keys: AttestedKeys,
    key_ring: KeyRing,
    redemption: Redemption,
    token_issuer: TokenIssuer,
    endorsements: VendorEndorsements,
    play: PlayIntegrity,
    policies: ActivePolicies,
    named_keys: NamedKeys,
    rule_blocks: RuleBlocks,
    challenge_lifetime: int,
    key_idle: int,
    signal_memory: int,
    strain: Strain,
    passes: StageEvidence | None = None,
    record: DecisionRecord,
    now: float,
) -> Mapping[str, object]:
    """Mint the next token of an enrolled key.

    ``challenge_lifetime``, ``key_idle`` (how long an unused key is remembered) and ``signal_memory`` (how long hostile
    signals of a refused renewal count) are in seconds; ``passes`` are those of a test stage. Raises
    :class:`~bonafide_tokens.errors.BonafideError` or :class:`~service.errors.Unavailable`; nothing is spent then, and
    nothing stored but what speaks against the key.
    """
    evidence = EvidenceSet.read(request.evidence, proving=RENEWING)
    client_data = parse_client_data(b64url_decode(request.client_data))

    # The seal is checked before anything is read or noted: a flood of invented challenges costs no I/O, and writes no
    # text of its own into logs and archive.
    challenge = key_ring.open_challenge(client_data.challenge, lifetime=challenge_lifetime, now=now)
    record.key_id = request.key_id
    record.note_client_data(client_data)
    record.note_challenge(challenge)
    found = states.of_key(request.key_id, challenge.app_tag, now)
    key = found.key
    if key is None:
        raise Rejected(ServiceReason.KEY_UNKNOWN, "no such key is enrolled")
    record.app, record.platform = key.app, key.claims.platform.value
    record.environment = "" if key.claims.test_pass is None else key.claims.environment.value
    record.note_enrolment(key.enrolled_at, key.home_country)
    challenge.require_app(key.app)
    key_ring.region(now).require_home(key.region)
    if not challenge.handed_along:  # an app that slept past its next_challenge: none of those that asked and went away
        count_decision("challenge", at=now, app=record.counted_app, outcome="returned", why="", facts=())
    key = key.require_usable(now).recalled()
    state = found.state_of(key.app, now)
    app = state.registered
    if app is None:
        raise Rejected(ServiceReason.APP_UNKNOWN, "the key's app is no longer registered")

    if passes is not None and key.claims.test_pass is not None:
        passes.require_in_use(key.claims, client_data, now)
        current = key.claims
    else:
        current = reverify(
            key.claims, reference_values=app.reference_values, endorsements=endorsements.for_claims(key.claims, now)
        )
    try:
        newer = evidence.verify(
            client_data=client_data,
            challenge=challenge,
            app=app,
            endorsements=endorsements,
            play=play,
            now=now,
            attested_key=key.attested_key,
        )
    except RejectedEvidence as refused:
        # An honest app whose answer got lost sends the same renewal again. What is wrong with it is the challenge: it
        # should ask for a new one, and not be told that its device is refused.
        if refused.reason is Reason.COUNTER_NOT_GREATER:
            if redemption.is_spent(challenge):
                raise Rejected(ServiceReason.CHALLENGE_SPENT, "the same renewal again") from refused
            record.detection.note_counter_back(key.attested_key.counter)
        raise
    claims = current.renewed(newer)
    record.detection.note_proof(claims)
    sealing_key = evidence.endorsed(
        client_data, claims=claims, known=key.sealing_key, app=app, endorsements=endorsements, now=now
    )
    build = app.builds.compare(builds, app=app.app, claims=newer, client_data=client_data)
    record.note_build(build)
    judged = client_data if key.noted is None else key.noted.reminded(client_data, now=now, memory=signal_memory)

    active = policies.of_head(state.head, claims.key_id)
    named = named_keys.naming(app.app, claims, now)
    context = AppraisalContext(
        claims=claims,
        client_data=judged,
        now=now,
        build=build,
        app=app.app,
        event="renew",
        country=record.country,
        incidents=named.incidents,
        incident_warnings=named.warnings,
    )
    result = active.appraise(context, record)
    if not result.accepted:
        # What it says now, without what it was reminded of: neither a note nor a block prolongs itself.
        own = replace(context, client_data=client_data)
        noted = note_refusal(
            key.noted,
            stored=key.claims,
            claims=claims,
            raised=lowering_signals(own, active.appraisal, refusing=True),
            result=result,
            now=now,
            memory=signal_memory,
        )
        if noted is not None:
            note_best_effort(attested_keys, key, noted, record.request_id)
        rule_blocks.place_best_effort(
            result.findings if key.noted is None else active.appraisal.findings(own),
            key_id=key.key_id,
            policy_version=active.version,
            now=now,
            request_id=record.request_id,
        )
        raise Contraindicated(result)

    ready = token_issuer.ready(
        min(now, state.as_of),
        tokens_from=active.tokens_from,
        stress=strain.of(app, now),
    )
    record.stretched = ready.stretched_by(result, claims)
    moment = int(now)
    redemption.renew(
        challenge,
        replace(
            key,
            claims=claims,
            counter=claims.counter,
            last_seen=moment,
            expires_at=ends_at(claims, moment + key_idle),
            sealing_key=sealing_key,
        ),
    )
    return ready.answer(
        app, claims=claims, client_data=client_data, result=result, client_policy_version=active.client_policy_version
    )


def wire(env: Mapping[str, str]) -> Wiring:
    """The collaborators, from the environment."""
    settings = read_settings(RenewTokenSettings, env)
    key_ring, facts = wiring.token_key_ring(settings), wiring.fact_keys(settings)
    return Wiring(
        collaborators={**wiring.judging(settings, key_ring, facts), **wire_blocking(settings)},
        support_code=key_ring.support_code,
        allowed_origin=settings.allowed_origin,
        country_header=settings.country_header,
        origin_secret_hashes=settings.origin_secret_hashes,
        network_header=settings.network_header,
        fact_seal=FactSeal(facts, also=(FactPurpose.ROWS,)),
    )


def _watched(request: RenewalRequest, *, strain: Strain, **others: Any) -> Mapping[str, object]:
    """A renewal, of which ``strain`` learns whether it failed for something of ours."""
    with strain.watching():
        return renew(request, strain=strain, **others)


handler = endpoint(RenewalRequest, _watched, wire, action="renew")
