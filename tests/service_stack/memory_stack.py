"""The whole service in memory: the real functions and domain over fake tables, with a clock that tests turn."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import shake_256
from typing import Any

import appraise_evidence
import issue_challenge
import renew_token
import report_failure
import report_signal
from attestation.client_data import MAX_CLIENT_DATA_BYTES
from attestation.encoding.certificate import read_certificate
from attestation.endorsements import TrustAnchor, pinned_endorsements
from attestation.reference_values import (
    AndroidReferenceValues,
    AppleReferenceValues,
    Environment,
    HarmonyReferenceValues,
    ReferenceValues,
)
from bonafide_tokens.routes import Requirement, RouteRequirement
from cryptography.hazmat.primitives.asymmetric import ec
from service.admission.strain import Strain
from service.edge.gateway import Handler
from service.edge.http import Wiring, endpoint
from service.edge.signed_call import signed_members
from service.evidence_set import StageEvidence
from service.fallback_modes import OnPlayUnavailable, OnStale, PolicyApproval
from service.keys.key_ring import KeyRing
from service.keys.own_bundle import OwnTrustBundle
from service.keys.publishing import Publisher
from service.keys.rotation import Rotation
from service.keys.rule_blocks import RuleBlocks
from service.keys.token_issuer import TokenIssuer
from service.policies.active import ActivePolicies
from service.policies.app_states import AppStates
from service.policies.publish import PolicyPublishing
from service.regions.homes import Homes
from service.tables.apps import RegisteredApp
from service.tables.signing_keys import Purpose
from service.tables.trust_bundles import RememberedTrustBundles
from service.vendors.endorsements import VendorEndorsements
from service.vendors.play_integrity import PlayIntegrity, PlaySecrets

from devkit.devices.android.device import SoftwareAndroid
from devkit.devices.app_instance import AppInstance
from devkit.devices.apple.app_attestation import point_of
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.client import PROOF_HEADER, TOKEN_HEADER
from devkit.devices.fake_google import SoftwareGoogle
from devkit.devices.harmony.device import SoftwareHarmony
from devkit.devices.installation import Installation
from devkit.devices.key_store_installation import AndroidInstallation, HarmonyInstallation
from tests.service_stack.drawn import Drawn as Drawn
from tests.service_stack.events import json_of, rest_event
from tests.service_stack.fact_fakes import MemoryFacts
from tests.service_stack.fakes import (
    MemoryApis,
    MemoryApps,
    MemoryAttestedKeys,
    MemoryBlocking,
    MemoryBuilds,
    MemoryPublicationRequests,
    MemoryPublishDebounce,
    MemoryRedemption,
    MemoryRevocations,
    MemorySigningKeys,
    MemorySpentProofs,
    MemoryTrustBundles,
    SoftwareRootKey,
    SoftwareWrappingKey,
)
from tests.service_stack.policy_fakes import MemoryPolicies, MemoryRootSets, MemoryStateReader, serving
from tests.service_stack.secret_fakes import MemoryRuntimeSecrets, secrets_endpoint
from tests.service_stack.vendor_fakes import (
    MemoryAppSecrets,
    MemoryPlayRequests,
    MemoryStatusLists,
    SoftwarePlayDecoder,
)

NOW = 1_780_000_000.0
APP = "demo"
APP_ID = "ABCDE12345.org.example.demo"
PACKAGE = "org.example.demo"
SIGNER = shake_256(b"the demo app's signing certificate").digest(32)
ISSUER = "unit"
AUDIENCE = "unit-api"
VERIFIER_ORIGIN = "https://verifier.example.test"
LIFETIME = 300
KEY_IDLE = 90 * 86_400
ROUTES = (RouteRequirement("GET", "/v1/whoami", Requirement.TOKEN), RouteRequirement("*", "/*", Requirement.PROOF))

AUTHORITY = DeviceAuthority.create(Drawn("authority"))
ENDORSEMENTS = pinned_endorsements().with_development_anchors(
    [TrustAnchor.of(read_certificate(AUTHORITY.root_certificate))]
)
GOOGLE = SoftwareGoogle(AUTHORITY.android)
HARMONY_SIGNER = AUTHORITY.harmony.key("the demo app's signing key", ec.SECP256R1()).public_key()
HARMONY_APP_ID = f"{PACKAGE}_{base64.b64encode(point_of(HARMONY_SIGNER)).decode('ascii')}"
AGC_APP_ID = "6917500000000000001"
ANDROID = AndroidReferenceValues(packages=(PACKAGE,), signing_digests=frozenset({SIGNER}))
HARMONY = HarmonyReferenceValues(bundle_names=(PACKAGE,), app_ids=(HARMONY_APP_ID, AGC_APP_ID))


@dataclass
class MemoryStack:
    """A stack whose first keys exist and where :data:`APP` is registered, on every platform. ``now`` is its clock.
    Google's status list was fetched at the start; its limits, and what is asked of Google, are as the template's
    defaults unless a test says otherwise and restarts. Apps are remembered for ``remembered`` seconds under load.
    ``region`` is the stack's, if it has several.
    """

    now: float = NOW
    apps: MemoryApps = field(default_factory=MemoryApps)
    builds: MemoryBuilds = field(default_factory=MemoryBuilds)
    attested_keys: MemoryAttestedKeys = field(default_factory=MemoryAttestedKeys)
    signing_keys: MemorySigningKeys = field(default_factory=MemorySigningKeys)
    facts: MemoryFacts = field(default_factory=MemoryFacts)
    trust_bundles: MemoryTrustBundles = field(default_factory=MemoryTrustBundles)
    apis: MemoryApis = field(default_factory=MemoryApis)
    revocations: MemoryRevocations = field(default_factory=MemoryRevocations)
    marker: MemoryPublishDebounce = field(default_factory=MemoryPublishDebounce)
    publication: MemoryPublicationRequests = field(default_factory=MemoryPublicationRequests)
    spent_proofs: MemorySpentProofs = field(default_factory=MemorySpentProofs)
    wrapping: SoftwareWrappingKey = field(default_factory=SoftwareWrappingKey)
    root_key: SoftwareRootKey = field(default_factory=SoftwareRootKey)
    root_sets: MemoryRootSets = field(default_factory=MemoryRootSets)
    status_lists: MemoryStatusLists = field(default_factory=MemoryStatusLists)
    runtime_secrets: MemoryRuntimeSecrets = field(default_factory=MemoryRuntimeSecrets)
    app_secrets: MemoryAppSecrets = field(default_factory=MemoryAppSecrets)
    play_requests: MemoryPlayRequests = field(default_factory=MemoryPlayRequests)
    play_decoder: SoftwarePlayDecoder = field(
        default_factory=lambda: SoftwarePlayDecoder(SoftwareGoogle(GOOGLE.authority))
    )
    endorsements_max_age: float = 86_400
    on_stale: OnStale = OnStale.REFUSE
    play_daily_quota: int = 10_000
    play_enrolment_reserve: int = 5_000
    on_play_unavailable: OnPlayUnavailable = OnPlayUnavailable.REFUSE
    signal_memory: int = 86_400
    remembered: float = 0.0
    passes: StageEvidence | None = None
    stressed_lifetime: int = 0
    strain: Strain = field(default_factory=Strain)
    region: str = ""

    def __post_init__(self) -> None:
        self.attested_keys.region = self.region
        self.drawn = Drawn("issue")  # it outlives processes: no challenge is issued twice
        self.redemption = MemoryRedemption(attested_keys=self.attested_keys)
        self.blocking = MemoryBlocking(attested_keys=self.attested_keys, revocations=self.revocations)
        self.policies = MemoryPolicies(revocations=self.revocations)
        self.publishing = self.publishing_as(PolicyApproval.OFF)
        self.register(APP, APP_ID, android=ANDROID, harmony=HARMONY)
        self.status_lists.publish(GOOGLE.status_list(), self.now)
        self.homes = Homes(region=self.region, issuer=ISSUER, roots=(self.root_key.public_key(),))
        self.rotation = Rotation(
            signing_keys=self.signing_keys,
            wrapping=self.wrapping,
            publisher=Publisher(
                issuer=ISSUER,
                lifetime=21_600,
                signing_keys=self.signing_keys,
                trust_bundles=self.trust_bundles,
                apis=self.apis,
                revocations=self.revocations,
                root_key=self.root_key,
                routes={AUDIENCE: ROUTES},
                homes=self.homes,
            ),
            token_lifetime=LIFETIME,
            challenge_lifetime=LIFETIME,
            key_days=30,
            homes=self.homes,
        )
        self.rotation.run(now=self.now)
        self.restart()

    def restart(self) -> None:
        """New processes: nothing in memory, as after a cold start."""
        self.handlers: dict[tuple[str, str], Handler] = {
            ("POST", "/v1/challenges"): endpoint(
                issue_challenge.ChallengeCall,
                issue_challenge.issue,
                lambda _env: self._issuing(),
                success=201,
                counted="challenge",
                members=issue_challenge._members,
                clock=lambda: self.now,
            ),
            ("POST", "/v1/attestations"): endpoint(
                appraise_evidence.AttestationCall,
                appraise_evidence.enrol,
                lambda _env: self._judging(attested_keys=self.attested_keys),
                success=201,
                action="enrol",
                members=appraise_evidence._members,
                clock=lambda: self.now,
            ),
            ("POST", "/v1/tokens"): endpoint(
                renew_token.RenewalRequest,
                renew_token.renew,
                lambda _env: self._judging(
                    attested_keys=self.attested_keys,
                    signal_memory=self.signal_memory,
                    rule_blocks=RuleBlocks(self.blocking, self.publication),
                ),
                action="renew",
                clock=lambda: self.now,
            ),
            ("POST", "/v1/secrets"): secrets_endpoint(
                self._reporting, self.runtime_secrets, self.wrapping, ISSUER, clock=lambda: self.now
            ),
            ("POST", "/v1/signals"): endpoint(
                report_signal.SignalReport,
                report_signal.report,
                lambda _env: self._reporting(),
                success=202,
                action="signal",
                members=signed_members(MAX_CLIENT_DATA_BYTES),
                clock=lambda: self.now,
            ),
            ("POST", "/v1/attestation-failures"): endpoint(
                report_failure.FailureReport,
                report_failure.report,
                lambda _env: Wiring(collaborators={}),
                success=202,
                members=report_failure._members,
                clock=lambda: self.now,
            ),
        }
        self.handlers |= serving(
            self.policies, self.apps, self.trust_bundles, ISSUER, root_sets=self.root_sets, clock=lambda: self.now
        )

    def _ring(self, *purposes: Purpose) -> KeyRing:
        return KeyRing(self.signing_keys, self.wrapping, frozenset(purposes), self.homes)

    def _issuing(self) -> Wiring:
        parts = {"key_ring": self._ring(Purpose.CHALLENGE), "lifetime": LIFETIME, "random": self.drawn}
        return Wiring(collaborators=parts)

    def _reporting(self) -> Wiring:
        return Wiring(
            collaborators={
                "trust_bundle": OwnTrustBundle(
                    RememberedTrustBundles(self.trust_bundles), (self.root_key.public_key(),), ISSUER
                ),
                "key_ring": self._ring(Purpose.CHALLENGE),
                "attested_keys": self.attested_keys,
                "spent_proofs": self.spent_proofs,
                "policies": ActivePolicies(self.policies),
                "named_keys": self.facts.named_keys(self.now),
                "rule_blocks": RuleBlocks(self.blocking, self.publication),
                "token_header": TOKEN_HEADER,
                "proof_header": PROOF_HEADER,
                "external_origin": VERIFIER_ORIGIN,
                "signal_memory": self.signal_memory,
            },
            support_code=self._ring(Purpose.CHALLENGE).support_code,
            fact_seal=self.facts.seal(self.now),
        )

    def _judging(self, **more: object) -> Wiring:
        key_ring = self._ring(*Purpose)
        token_issuer = TokenIssuer(
            key_ring=key_ring,
            issuer=ISSUER,
            default_audience=AUDIENCE,
            token_lifetime=LIFETIME,
            challenge_lifetime=LIFETIME,
            stressed_lifetime=self.stressed_lifetime,
            clock=lambda: self.now,
            sleep=self.pass_by,
        )
        return Wiring(
            collaborators={
                "states": AppStates(
                    MemoryStateReader(self.attested_keys, self.apps, self.policies), remembered=self.remembered
                ),
                "builds": self.builds,
                "key_ring": key_ring,
                "redemption": self.redemption,
                "token_issuer": token_issuer,
                "strain": self.strain,
                "endorsements": VendorEndorsements(
                    roots=ENDORSEMENTS,
                    table=self.status_lists,
                    max_age=self.endorsements_max_age,
                    on_stale=self.on_stale,
                ),
                "play": PlayIntegrity(
                    secrets=PlaySecrets(self.app_secrets, self.wrapping),
                    decoder=self.play_decoder,
                    requests=self.play_requests,
                    daily_quota=self.play_daily_quota,
                    enrolment_reserve=self.play_enrolment_reserve,
                    on_unavailable=self.on_play_unavailable,
                ),
                "policies": ActivePolicies(self.policies),
                "named_keys": self.facts.named_keys(self.now),
                "challenge_lifetime": LIFETIME,
                "key_idle": KEY_IDLE,
                "passes": self.passes,
                **more,
            },
            support_code=key_ring.support_code,
            fact_seal=self.facts.seal(self.now),
        )

    def pass_by(self, seconds: float) -> None:
        self.now += seconds

    def publishing_as(self, approval: PolicyApproval) -> PolicyPublishing:
        """The use cases of policies, by this stack's clock."""
        return PolicyPublishing(
            policies=self.policies,
            root_key=self.root_key,
            issuer=ISSUER,
            approval=approval,
            clock=lambda: self.now,
            sleep=self.pass_by,
        )

    def publish_client_policy(self, client: str = '{"format": 1}', *, rollout: int = 100, app: str = APP) -> int:
        """Publish a client policy; its version."""
        version = self.policies.head(app).latest
        self.publishing.publish(
            app, client=client, why="a test", rollout=rollout, expected_version=version, who="tests", now=self.now
        )
        return version + 1

    def register(
        self,
        app: str,
        *app_ids: str,
        audiences: tuple[str, ...] = (),
        android: AndroidReferenceValues | None = None,
        harmony: HarmonyReferenceValues | None = None,
    ) -> None:
        """Register an app for production builds."""
        apple = AppleReferenceValues(app_ids=app_ids, environments=frozenset({Environment.PRODUCTION}))
        values = ReferenceValues(apple=apple if app_ids else None, android=android, harmony=harmony)
        self.apps.rows[app] = RegisteredApp(app=app, audiences=audiences, reference_values=values)

    def send(self, method: str, path: str, body: object = None, **more: Any) -> dict[str, Any]:
        """One request through the function of its route."""
        return self.handlers[method, more.get("resource") or path](rest_event(method, path, body, **more), None)

    def challenge(self, app: str = APP) -> str:
        """A fresh challenge."""
        answer = self.send("POST", "/v1/challenges", {"app": app})
        assert answer["statusCode"] == 201, answer
        return str(json_of(answer)["challenge"])

    def installation(self, app: str = APP, app_id: str = APP_ID, **changes: Any) -> Installation:
        """A fresh installation on a genuine software iPhone."""
        usual: dict[str, Any] = {"authority": AUTHORITY, "app_id": app_id, "clock": lambda: self.now}
        return Installation.fresh(app, SoftwareIphone(**(usual | changes)))

    def android(self, app: str = APP, **changes: Any) -> AndroidInstallation:
        """A fresh installation on a genuine software Android; ``changes`` are of the phone or of the installation."""
        own = {name: changes.pop(name) for name in ("play", "play_labels") if name in changes}
        arguments: dict[str, Any] = {
            "authority": AUTHORITY.android,
            "package": PACKAGE,
            "signer": SIGNER,
            "clock": lambda: self.now,
            **changes,
        }
        return AndroidInstallation.fresh(app, SoftwareAndroid(**arguments), **own)

    def harmony(self, app: str = APP, **changes: Any) -> HarmonyInstallation:
        """A fresh installation on a genuine software HarmonyOS device."""
        own = {name: changes.pop(name) for name in ("one_key", "integrity", "kind", "offline") if name in changes}
        arguments: dict[str, Any] = {
            "authority": AUTHORITY.harmony,
            "bundle_name": PACKAGE,
            "signer": HARMONY_SIGNER,
            "agc_app_id": AGC_APP_ID,
            "clock": lambda: self.now,
            **changes,
        }
        return HarmonyInstallation.fresh(app, SoftwareHarmony(**arguments), **own)

    def enrol(self, installation: AppInstance) -> Mapping[str, Any]:
        """Enrol an installation that must be accepted; the answer's body."""
        body = installation.attestation_body(installation.client_data(self.challenge(installation.app)))
        answer = self.send("POST", "/v1/attestations", body)
        assert answer["statusCode"] == 201, answer
        return json_of(answer)
