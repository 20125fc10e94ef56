"""POST /v1/secrets: named secrets of the app, sealed to the sealing key of one app instance.

Authenticated by token and proof, checked here as a report is: the proof must sign this very body, and is good once. The
key is judged again with its stored claims, by the policy of this moment; what that policy refuses gets nothing. Then
each secret needs a rule that names the action ``release-secret``. All that was asked for is released, or nothing is.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Annotated, Final

from attestation.appraisal.appraise import appraise_context
from attestation.appraisal.cedar.engine import CedarPolicy
from attestation.appraisal.cedar.releases import Release, release_facts
from attestation.appraisal.facts import facts_of
from attestation.appraisal.policy import AppraisalContext, AppraisalPolicy
from attestation.appraisal.result import Tier
from attestation.client_data import ClientData
from attestation.sealing.sealed_secret import SecretBinding, seal
from attestation.sealing.sealing_key import SealingKey
from attestation.sealing.secret_name import MAX_NAME, NAME_PATTERN
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.token import VerifiedToken
from pydantic import Field
from service.aws import dynamodb, kms
from service.edge.gateway import RequestModel
from service.edge.http import Wiring, endpoint
from service.edge.signed_call import SignedCall, signed_members, verify_signed
from service.errors import Contraindicated, Rejected, Unreadable
from service.errors import Reason as ServiceReason
from service.incidents.document.named_keys import NamedKeys
from service.incidents.document.writer import DynamoDBDocuments
from service.keys.fact_keys import DynamoDBFactKeys, FactKeys
from service.keys.key_ring import KeyRing, wire_key_ring
from service.keys.kms import KmsWrappingKey
from service.keys.own_bundle import OwnTrustBundle, wire_own_bundle
from service.policies.active import ActivePolicies
from service.policies.store import DynamoDBPolicies
from service.secrets.runtime_secret import RuntimeSecret, SecretState
from service.secrets.table import DynamoDBRuntimeSecrets, RuntimeSecrets
from service.secrets.values import ParameterStoreValues, SecretsManagerValues, SecretValues
from service.settings import ReleaseSecretsSettings, read_settings
from service.tables.attested_keys import AttestedKeys, DynamoDBAttestedKeys, key_of_token
from service.tables.signing_keys import Purpose
from service.tables.spent_proofs import DynamoDBSpentProofs, SpentProofs
from service.telemetry.decisions import DecisionRecord

ROUTE: Final = "/v1/secrets"

MAX_SECRETS: Final = 8
"""Most secrets of one request."""

MAX_BODY_BYTES: Final = 4 * 1024


class AskedSecrets(RequestModel):
    """The body: names, and the RFC 7638 thumbprint of the sealing key that the app has at hand."""

    secrets: Annotated[
        list[Annotated[str, Field(pattern=NAME_PATTERN, max_length=MAX_NAME)]],
        Field(min_length=1, max_length=MAX_SECRETS),
    ]
    sealing_key: Annotated[str, Field(pattern=r"\A[A-Za-z0-9_-]{43}\z")]


class SecretsCall(SignedCall):
    """The call with its body."""

    body: AskedSecrets


def release(
    request: SecretsCall,
    *,
    trust_bundle: OwnTrustBundle,
    key_ring: KeyRing,
    attested_keys: AttestedKeys,
    spent_proofs: SpentProofs,
    policies: ActivePolicies,
    named_keys: NamedKeys,
    runtime_secrets: RuntimeSecrets,
    values: SecretValues,
    issuer: str,
    token_header: str,
    proof_header: str,
    external_origin: str,
    signal_memory: int,
    record: DecisionRecord,
    now: float,
) -> Mapping[str, object]:
    """Release the secrets that are asked for.

    ``issuer`` is the tokens'; ``external_origin`` what clients see before this API's own path, empty for the request's
    own domain; ``signal_memory`` how long a signal counts, in seconds. Raises
    :class:`~bonafide_tokens.errors.BonafideError` or :class:`~service.errors.Unavailable`; then nothing is released,
    the proof may be spent, and the same can be asked again with another one.
    """
    names = tuple(dict.fromkeys(request.body.secrets))

    def heard(token: VerifiedToken) -> None:
        record.note_token(token)
        record.secrets = list(names)

    token, proof = verify_signed(
        request,
        route=ROUTE,
        bundle=trust_bundle.current(now),
        external_origin=external_origin,
        token_header=token_header,
        proof_header=proof_header,
        now=now,
        on_token=heard,
    )

    key = key_of_token(attested_keys, token, now)
    key_ring.region(now).require_home(key.region)
    active = policies.for_key(key.app, key.key_id, now)
    record.client_policy_version = active.client_policy_version
    spent_proofs.spend(proof)
    sealing_key = _endorsed(key.sealing_key, request.body.sealing_key)

    said = ClientData(
        digest=b"",
        challenge="",
        request_key=proof.request_key,
        app_build=token.app_build,
        measurements={},
    )
    if key.noted is not None:
        said = key.noted.reminded(said, now=now, memory=signal_memory)
    named = named_keys.naming(key.app, key.claims, now)
    context = AppraisalContext(
        claims=key.claims,
        client_data=said,
        now=now,
        app=key.app,
        event="secret",
        country=record.country,
        incidents=named.incidents,
        incident_warnings=named.warnings,
    )
    result = appraise_context(context, active.appraisal)
    # The worse of the token's and of this moment's: neither a better policy nor an older token raises the other.
    tier = Tier.WARNING if result.accepted and token.tier != Tier.AFFIRMING else result.tier
    facts = release_facts(facts_of(context), tier=tier.value, sealing_key_storage=sealing_key.storage.value)
    record.note_facts(facts)
    record.note_result(result)
    if not result.accepted:
        raise Contraindicated(result)
    for said_of in _policy(active.appraisal).releases(facts, names, now=now):
        _require_granted(said_of, record)

    answered = []
    for secret in [_active(runtime_secrets.find(key.app, name), name) for name in names]:
        binding = SecretBinding(issuer, key.app, key.key_id, secret.name, secret.version)
        sealed = seal(values.of(secret, now), sealing_key=sealing_key.public_key(), binding=binding)
        answered.append(
            {
                "name": secret.name,
                "version": secret.version,
                "enc": b64url_encode(sealed.enc),
                "ciphertext": b64url_encode(sealed.ciphertext),
            }
        )
        record.secrets[names.index(secret.name)] = f"{secret.name}@{secret.version}"
    return {"secrets": answered, "client_policy_version": active.client_policy_version}


def _endorsed(known: SealingKey | None, thumbprint: str) -> SealingKey:
    """The sealing key of the key's row, where it is the one that the app has. The app's own word is only compared: what
    is sealed to is what evidence bound."""
    if known is None:
        raise Rejected(ServiceReason.SEALING_KEY_MISSING, "the key has endorsed no sealing key")
    try:
        same = hmac.compare_digest(known.public_key().thumbprint(), thumbprint)
    except ValueError as error:
        raise Unreadable("a row of attested_keys has a damaged sealing key") from error
    if not same:
        raise Rejected(ServiceReason.SEALING_KEY_NOT_ENDORSED, "the key has endorsed another sealing key")
    return known


def _policy(appraisal: AppraisalPolicy) -> CedarPolicy:
    if not isinstance(appraisal, CedarPolicy):
        raise TypeError("only Cedar policies release secrets")  # our own mistake
    return appraisal


def _require_granted(release: Release, record: DecisionRecord) -> None:
    record.findings += [f"{rule} (observed)" for rule in release.observed]
    if not release.granted:
        record.findings += release.rules
        by = ", ".join(release.rules) or "no rule that names release-secret"
        raise Rejected(ServiceReason.SECRET_NOT_GRANTED, f"{release.secret}: {by}")


def _active(secret: RuntimeSecret | None, name: str) -> RuntimeSecret:
    if secret is None or secret.state is not SecretState.ACTIVE:
        raise Rejected(ServiceReason.SECRET_UNKNOWN, f"{name}: {'none' if secret is None else 'revoked'}")
    return secret


def wire(env: Mapping[str, str]) -> Wiring:
    """The collaborators, from the environment."""
    settings = read_settings(ReleaseSecretsSettings, env)
    wrapping = KmsWrappingKey(kms(), settings.wrapping_key_id, settings.stack_name)
    key_ring = wire_key_ring(settings, Purpose.CHALLENGE)
    return Wiring(
        collaborators={
            "trust_bundle": wire_own_bundle(settings),
            "key_ring": key_ring,
            "attested_keys": DynamoDBAttestedKeys(dynamodb(), settings.attested_keys_table),
            "spent_proofs": DynamoDBSpentProofs(dynamodb(), settings.nonces_table),
            "policies": ActivePolicies(DynamoDBPolicies(dynamodb(), settings.policies_table)),
            "named_keys": NamedKeys(
                DynamoDBDocuments(dynamodb(), settings.incidents_table),
                FactKeys(DynamoDBFactKeys(dynamodb(), settings.fact_keys_table), wrapping),
            ),
            "runtime_secrets": DynamoDBRuntimeSecrets(dynamodb(), settings.runtime_secrets_table),
            "values": SecretValues(wrapping, SecretsManagerValues(), ParameterStoreValues()),
            "issuer": settings.token_issuer,
            "token_header": settings.token_header,
            "proof_header": settings.proof_header,
            "external_origin": settings.external_origin,
            "signal_memory": settings.signal_memory_seconds,
        },
        support_code=key_ring.support_code,
        allowed_origin=settings.allowed_origin,
        country_header=settings.country_header,
        origin_secret_hashes=settings.origin_secret_hashes,
    )


handler = endpoint(SecretsCall, release, wire, action="secret", members=signed_members(MAX_BODY_BYTES))
