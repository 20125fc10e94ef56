"""The mock verifier: takes evidence by the real library, and mints real tokens, challenges, documents and secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from attestation.android.revocation import StatusList
from attestation.appraisal.result import AttestationResult, Tier
from attestation.attested_key import AttestedKey
from attestation.challenge import issue_challenge, open_challenge
from attestation.claims import Claims
from attestation.client_data import ClientData, parse_client_data
from attestation.encoding.certificate import read_certificate
from attestation.endorsements import Endorsements, TrustAnchor, pinned_endorsements
from attestation.errors import AttestationError, EndorsementsUnavailable, MalformedEvidence, RejectedEvidence
from attestation.evidence import (
    AndroidKeyAttestation,
    AndroidSealingKeyAttestation,
    AppleAssertion,
    AppleAttestation,
    HarmonyKeyAttestation,
    HarmonySealingKeyAttestation,
    KeySignature,
)
from attestation.reference_values import (
    AndroidReferenceValues,
    AppleReferenceValues,
    HarmonyReferenceValues,
    ReferenceValues,
)
from attestation.sealing.endorsement import verify_sealing_key
from attestation.sealing.sealed_secret import SecretBinding, seal
from attestation.verify import verify, verify_additional_evidence
from bonafide_tokens.errors import BonafideError
from bonafide_tokens.jose import EcPublicKey, b64url_decode, b64url_encode
from bonafide_tokens.signing import mint_token
from bonafide_tokens.token import VerifiedToken
from service.edge import problems
from service.evidence_set import EvidenceSet

from bonafide.operator.registration import DEMO_APP, DEMO_APPLE_APP_ID
from devkit.devices.demo_app import DEMO_AGC_APP_ID, DEMO_ANDROID_SIGNER, DEMO_PACKAGE, demo_harmony_app_id
from devkit.devices.fake_google import SoftwareGoogle
from devkit.kit.mock.exchange import Answer, Request, Route, json_answer, problem_answer
from devkit.kit.mock.guarded import AUDIENCE, Gate
from devkit.kit.mock.world import ISSUER, World
from devkit.kit.rules import Rule

VERSION_HEADER: Final = "Bonafide-Client-Policy-Version"
SOUND: Final = AttestationResult(
    tier=Tier.AFFIRMING,
    findings=(),
    trustworthiness={
        "instance-identity": 2,
        "configuration": 2,
        "executables": 3,
        "hardware": 2,
        "storage-opaque": 2,
    },
    policy_version=1,
)
_MEMBERS: Final[Mapping[Route, frozenset[str]]] = {
    Route.CHALLENGE: frozenset({"app"}),
    Route.ATTESTATION: frozenset({"app", "client_data", "evidence"}),
    Route.RENEWAL: frozenset({"key_id", "client_data", "evidence"}),
    Route.SIGNALS: frozenset({"signals"}),
    Route.SECRETS: frozenset({"secrets", "sealing_key"}),
}
_OPTIONAL: Final = frozenset({"app_build", "os", "model"})
_FAILURE: Final = frozenset({"app", "code", "platform"})


@dataclass
class EnrolledKey:
    """A key that enrolled: what its evidence proved, and by which body and challenge."""

    claims: Claims
    counter: int
    digest: bytes
    sealing_key: EcPublicKey | None = None


@dataclass
class Minted:
    """The newest token: its key, and when it was made, for how long."""

    token: str
    key_id: str
    at: float
    seconds: int
    renew_after: int | None


@dataclass
class MockVerifier:
    """The verifier of every region of ``world``."""

    world: World
    gate: Gate
    keys: dict[str, EnrolledKey] = field(default_factory=dict)
    spent: dict[str, bytes] = field(default_factory=dict)
    minted: list[Minted] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        """The answer of a stack in good order."""
        members = _MEMBERS.get(request.route)
        if members is not None and not self._well_formed(request, members):
            return problem_answer(problems.MALFORMED_REQUEST)
        match request.route:
            case Route.CHALLENGE:
                return json_answer(201, {"challenge": self.challenge(), "expires_in": self.world.challenge_seconds})
            case Route.ATTESTATION:
                return self._enrol(request)
            case Route.RENEWAL:
                return self._renew(request)
            case Route.SIGNALS:
                return self._with_proof(request, lambda _: json_answer(202, self._said({"advice": []})))
            case Route.SECRETS:
                return self._with_proof(request, lambda token: self._secrets(request, token))
            case Route.POLICY:
                return self._policy(request)
            case Route.ROOT_SET:
                return self._root_set(request)
            case Route.FAILURE:
                return self._failure(request)
        self.world.find(Rule.REQUEST_FORM, f"{request.method} {request.path[:80]} is no route of the verifier.")
        return problem_answer(problems.NO_SUCH_ROUTE)

    def challenge(self, *, handed_along: bool = False) -> str:
        """A fresh challenge."""
        world = self.world
        return issue_challenge(
            app=DEMO_APP, key=world.challenge_key, random=os.urandom(16), now=world.now, handed_along=handed_along
        )

    def _well_formed(self, request: Request, members: frozenset[str]) -> bool:
        kind = request.header("content-type").partition(";")[0].strip().lower()
        if request.json.keys() == members and kind == "application/json":
            return True
        self.world.find(
            Rule.REQUEST_FORM,
            f"{request.path}: members {sorted(request.json)} of {kind or 'no type'}, not {sorted(members)} of JSON.",
        )
        return False

    def _read(self, request: Request) -> tuple[ClientData, str, bool] | Answer:
        """The client data, the nonce of its challenge, and whether the challenge is good."""
        try:
            data = parse_client_data(b64url_decode(str(request.json["client_data"])))
        except BonafideError as error:
            self.world.find(Rule.CLIENT_DATA_FORM, f"{request.path}: {error.detail}.")
            return problem_answer(problems.MALFORMED_EVIDENCE)
        try:
            opened = open_challenge(
                data.challenge,
                keys=(self.world.challenge_key,),
                lifetime=self.world.challenge_seconds,
                now=self.world.now,
            )
        except AttestationError:
            return data, "", False
        return data, opened.nonce, True

    def _enrol(self, request: Request) -> Answer:
        read = self._read(request)
        if isinstance(read, Answer):
            return read
        data, nonce, good = read
        if request.json["app"] != DEMO_APP:
            return problem_answer(problems.UNKNOWN_APP)
        proved = self._prove(request, data, None)
        if isinstance(proved, Answer):
            return proved
        known = self.keys.get(proved.key_id)
        if known is not None and not (known.digest == request.digest and good):
            return problem_answer(problems.KEY_ENROLLED)
        if not good or self.spent.get(nonce, request.digest) != request.digest:
            return problem_answer(problems.CHALLENGE_UNUSABLE)
        sealing = self._sealing_key(request, data, proved, None)
        self.spent[nonce] = request.digest
        self.keys[proved.key_id] = EnrolledKey(proved, proved.counter or 0, request.digest, sealing)
        return self._token(201, data, proved)

    def _renew(self, request: Request) -> Answer:
        read = self._read(request)
        if isinstance(read, Answer):
            return read
        data, nonce, good = read
        if not good:
            return problem_answer(problems.CHALLENGE_UNUSABLE)
        key = self.keys.get(str(request.json["key_id"]))
        if key is None or request.place in self.world.unknown_at:
            return problem_answer(problems.UNKNOWN_KEY)
        if nonce in self.spent:
            return problem_answer(problems.CHALLENGE_UNUSABLE)
        proved = self._prove(request, data, key)
        if isinstance(proved, Answer):
            return proved
        key.sealing_key = self._sealing_key(request, data, key.claims, key.sealing_key)
        self.spent[nonce] = request.digest
        key.counter = proved.counter if proved.counter is not None else key.counter
        return self._token(200, data, key.claims)

    def _prove(self, request: Request, data: ClientData, key: EnrolledKey | None) -> Claims | Answer:
        """What the evidence proves over this client data; a refusal is the client's fault."""
        proving = (AppleAttestation, AndroidKeyAttestation, HarmonyKeyAttestation)
        renewing = (AppleAssertion, KeySignature)
        expected = self._expected()
        stored = None
        if key is not None:
            stored = AttestedKey(
                public_key=key.claims.public_key,
                counter=key.counter,
                apple_app_id=key.claims.app_id,
                claims=key.claims,
            )
        try:
            items = request.json["evidence"]
            evidence = EvidenceSet.read(
                items if isinstance(items, list) else [], proving=proving if key is None else renewing
            )
            claims = verify(evidence.proof, client_data_hash=data.digest, attested_key=stored, **expected)
            for piece in evidence.additional:
                if not isinstance(piece, AndroidSealingKeyAttestation | HarmonySealingKeyAttestation):
                    claims = verify_additional_evidence(
                        claims if key is None else key.claims, piece, client_data_hash=data.digest, **expected
                    )
        except (MalformedEvidence, RejectedEvidence, EndorsementsUnavailable, AttributeError, TypeError) as error:
            self.world.find(Rule.EVIDENCE_BOUND, f"{request.path}: {error}.")
            return problem_answer(problems.EVIDENCE_REJECTED)
        return claims

    def _sealing_key(
        self, request: Request, data: ClientData, claims: Claims, known: EcPublicKey | None
    ) -> EcPublicKey | None:
        attested = [item for item in request.json["evidence"] if "-sealing-key-" in str(item.get("format"))]
        if not attested:
            return data.sealing_key or known
        try:
            evidence = EvidenceSet.read(
                request.json["evidence"],
                proving=(AppleAttestation, AndroidKeyAttestation, HarmonyKeyAttestation, AppleAssertion, KeySignature),
            )
            kinds = AndroidSealingKeyAttestation | HarmonySealingKeyAttestation
            (piece,) = (piece for piece in evidence.additional if isinstance(piece, kinds))
            return verify_sealing_key(
                piece,
                sealing_key=data.sealing_key,
                claims=claims,
                client_data_hash=data.digest,
                **self._expected(),
            )
        except (AttestationError, ValueError) as error:
            self.world.find(Rule.EVIDENCE_BOUND, f"{request.path}, the sealing key: {error}.")
            return known

    def _expected(self) -> dict[str, Any]:
        world = self.world
        root = TrustAnchor.of(read_certificate(world.authority.root_certificate))
        play = SoftwareGoogle(world.authority.android).response_keys(DEMO_PACKAGE).ours
        endorsements: Endorsements = pinned_endorsements().with_development_anchors([root])
        return {
            "reference_values": ReferenceValues(
                apple=AppleReferenceValues(app_ids=(DEMO_APPLE_APP_ID,)),
                android=AndroidReferenceValues(
                    packages=(DEMO_PACKAGE,), signing_digests=frozenset({DEMO_ANDROID_SIGNER}), play_integrity=(play,)
                ),
                harmony=HarmonyReferenceValues(
                    bundle_names=(DEMO_PACKAGE,), app_ids=(demo_harmony_app_id(), DEMO_AGC_APP_ID)
                ),
            ),
            "endorsements": endorsements.with_android_status(StatusList({}, fetched_at=world.now)),
            "now": world.now,
        }

    def _token(self, status: int, data: ClientData, claims: Claims) -> Answer:
        world = self.world
        token = mint_token(
            signing_key=world.signing_key,
            issuer=ISSUER,
            app=DEMO_APP,
            audience=(AUDIENCE,),
            request_key=data.request_key,
            key_id=claims.key_id,
            platform=claims.platform.value,
            app_build=data.app_build,
            result=SOUND,
            jti=b64url_encode(os.urandom(16)),
            now=world.now,
            lifetime=world.token_seconds,
        )
        self.minted.append(Minted(token, claims.key_id, world.now, world.token_seconds, world.renew_after))
        world.excused = ""
        members: dict[str, object] = {
            "token": token,
            "token_type": "DPoP",
            "expires_in": world.token_seconds,
            "key_id": claims.key_id,
            "next_challenge": self.challenge(handed_along=True),
        }
        if world.renew_after is not None:
            members["renew_after"] = world.renew_after
        return self._versioned(json_answer(status, self._said(members)))

    def _said(self, members: Mapping[str, object]) -> dict[str, object]:
        return {**members, "client_policy_version": self.world.policy_version}

    def _versioned(self, answer: Answer) -> Answer:
        return replace(answer, headers={**answer.headers, VERSION_HEADER: str(self.world.policy_version)})

    def _with_proof(self, request: Request, act: Any) -> Answer:
        token = self.gate.judge(request, audience=None)
        if isinstance(token, Answer):
            return token
        if token.key_id not in self.keys or request.place in self.world.unknown_at:
            return problem_answer(problems.UNKNOWN_KEY)
        answer: Answer = act(token)
        return self._versioned(answer)

    def _secrets(self, request: Request, token: VerifiedToken) -> Answer:
        key, names = self.keys[token.key_id], request.json["secrets"]
        if key.sealing_key is None:
            return problem_answer(problems.SEALING_KEY_MISSING)
        if key.sealing_key.thumbprint() != request.json["sealing_key"]:
            return problem_answer(problems.SEALING_KEY_UNKNOWN)
        if not isinstance(names, list) or not all(name in self.world.secrets for name in names):
            return problem_answer(problems.SECRET_REFUSED)
        sealed = []
        for name in names:
            version, value = self.world.secrets[name]
            binding = SecretBinding(ISSUER, DEMO_APP, token.key_id, self.world.sealed_for or name, version)
            message = seal(value, sealing_key=key.sealing_key, binding=binding)
            sealed.append(
                {
                    "name": name,
                    "version": version,
                    "enc": b64url_encode(message.enc),
                    "ciphertext": b64url_encode(message.ciphertext),
                }
            )
        return json_answer(200, self._said({"secrets": sealed}))

    def _policy(self, request: Request) -> Answer:
        if not self.world.policy:
            return problem_answer(problems.NO_CLIENT_POLICY)
        etag = f'"{self.world.policy[-24:]}"'
        headers = {"ETag": etag, VERSION_HEADER: str(self.world.policy_version), "Cache-Control": "private, max-age=0"}
        if request.header("if-none-match") == etag:
            return Answer(304, b"", headers)
        return Answer(200, self.world.policy.encode(), {"Content-Type": "application/jwt", **headers})

    def _root_set(self, request: Request) -> Answer:
        text = request.path.rpartition("/")[2]
        jws = self.world.root_sets.get(int(text)) if text.isascii() and text.isdigit() else None
        if jws is None:
            return problem_answer(problems.NO_SUCH_ROUTE)
        return Answer(200, jws.encode(), {"Content-Type": "application/jose"})

    def _failure(self, request: Request) -> Answer:
        members = request.json.keys()
        if not _FAILURE <= members <= _FAILURE | _OPTIONAL or request.json.get("platform") != self.world.platform:
            self.world.find(Rule.REQUEST_FORM, f"{request.path}: members {sorted(members)}.")
        return json_answer(202, {})
