"""What a test stage takes beside evidence. Functions import this where the setting TEST_PASSES is on, and nowhere else.

Enrolments: a pass by the stage's root key that was not revoked, or an ID token of a CI system that the app's owner
trusts, which is good once. Both are checked in the transaction that stores the key. Renewals are signatures by the
same key, until the pass ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from attestation.attested_key import AttestedKey
from attestation.claims import Claims
from attestation.client_data import ClientData
from attestation.errors import MalformedEvidence, Reason
from attestation.passes.evidence import (
    FORMAT,
    PassEvidence,
    claims_of_pass,
    claims_of_pipeline,
    read_pass_evidence,
    require_pass_in_use,
)
from attestation.passes.id_token import verify_id_token
from attestation.passes.pass_document import open_development_pass
from bonafide_tokens.jose import EcPublicKey

from service.aws import TransactWriteItemTypeDef, dynamodb
from service.evidence_set import EvidenceSet
from service.fallback_modes import PassMode
from service.passes.ci_keys import CiKeys
from service.passes.rows import PassRow, PassRows
from service.settings import JudgingSettings, SettingsError
from service.tables.apps import RegisteredApp
from service.tables.attested_keys import EnrolledKey
from service.vendors.endorsements import VendorEndorsements

OF_PIPELINE: Final = "ci"
"""The chain profile of keys that enrolled with an ID token."""


@dataclass(frozen=True, slots=True)
class StagePasses:
    """The passes of one stage: its ``root_keys``, by which it knows its own, its ``issuer`` and ``stage``."""

    root_keys: tuple[EcPublicKey, ...]
    issuer: str
    stage: str
    rows: PassRows
    ci_keys: CiKeys = field(default_factory=CiKeys)

    def read(self, items: Sequence[Mapping[str, object]]) -> PassSet | None:
        """The pass among a request's evidence; ``None`` where none of it is one. Raises
        :class:`~attestation.errors.MalformedEvidence`, also for a pass that is not alone."""
        if not any(item.get("format") == FORMAT for item in items):
            return None
        if len(items) != 1:
            raise MalformedEvidence(Reason.STRUCTURE_INVALID, "a test pass beside other evidence")
        return PassSet(read_pass_evidence(items[0]), (), stage=self)

    def require_in_use(self, claims: Claims, client_data: ClientData, now: float) -> None:
        """As :func:`attestation.passes.evidence.require_pass_in_use`."""
        require_pass_in_use(claims, client_data, now)

    def spending(self, key: EnrolledKey) -> TransactWriteItemTypeDef | None:
        """The part of the transaction that enrols ``key`` which fails unless its pass may be used; ``None`` for keys
        of real devices."""
        bounds = key.claims.test_pass
        if bounds is None:
            return None
        if key.claims.chain_profile != OF_PIPELINE:
            return self.rows.holding(bounds.pass_id)
        return self.rows.adding(
            PassRow(
                pass_id=bounds.pass_id,
                app=key.app,
                holder=key.key_id,
                platform=key.claims.platform.value,
                source=OF_PIPELINE,
                by=bounds.subject or "",
                minted_at=key.enrolled_at,
                ends_at=bounds.ends_at,
            )
        )


@dataclass(frozen=True, slots=True)
class PassSet(EvidenceSet):
    """The evidence of a request that shows a pass."""

    proof: PassEvidence  # type: ignore[assignment]  # no format that the library knows
    stage: StagePasses = field(kw_only=True)

    environment: ClassVar[str] = "test"

    def prove(
        self,
        *,
        client_data: ClientData,
        app: RegisteredApp,
        endorsements: VendorEndorsements,
        now: float,
        attested_key: AttestedKey | None = None,
    ) -> Claims:
        del endorsements, attested_key  # no vendor is asked, and passes renew nothing
        claims = self._claims(client_data, app, now)
        require_pass_in_use(claims, client_data, now)
        return claims

    def _claims(self, client_data: ClientData, app: RegisteredApp, now: float) -> Claims:
        stage, digest = self.stage, client_data.digest
        if self.proof.document:
            given = open_development_pass(
                self.proof.document,
                root_keys=stage.root_keys,
                issuer=stage.issuer,
                stage=stage.stage,
                app=app.app,
                now=now,
            )
            return claims_of_pass(given, self.proof, client_data_hash=digest)
        shown = verify_id_token(
            self.proof.id_token,
            trusted=stage.rows.issuers(app.app),
            keys=lambda issuer, kid: stage.ci_keys.of(issuer, kid, now),
            now=now,
        )
        return claims_of_pipeline(
            app.app,
            shown.trusted.platform,
            client_data.request_key,
            self.proof,
            pass_id=f"ci-{shown.name}",
            subject=shown.subject,
            ends_at=int(now) + shown.trusted.seconds,
            client_data_hash=digest,
        )


def wired_passes(settings: JudgingSettings) -> StagePasses:
    """The passes of this stage. ``settings`` have said that it takes any, and is no production. Raises
    :class:`~service.settings.SettingsError`."""
    if settings.test_passes is not PassMode.ON or not settings.root_public_key:
        raise SettingsError("environment variable TEST_PASSES must be on, and ROOT_PUBLIC_KEY must be there")
    return StagePasses(
        settings.root_public_key,
        settings.token_issuer,
        settings.stage,
        PassRows(dynamodb(), settings.attested_keys_table),
    )
