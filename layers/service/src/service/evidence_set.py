"""The evidence of one request: one piece that proves the key, and additional pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from attestation.attested_key import AttestedKey
from attestation.challenge import OpenedChallenge
from attestation.claims import Claims
from attestation.client_data import ClientData
from attestation.errors import MalformedEvidence, Reason
from attestation.evidence import Evidence, PlayIntegrityToken, SealingKeyEvidence, parse_evidence
from attestation.sealing.endorsement import endorsed_sealing_key, verify_sealing_key
from attestation.sealing.sealing_key import SealingKey
from attestation.verify import verify, verify_additional_evidence

from service.tables.apps import RegisteredApp
from service.vendors.endorsements import VendorEndorsements
from service.vendors.play_integrity import PlayIntegrity


class StageEvidence(Protocol):
    """What a test stage takes beside evidence: :class:`service.passes.stage.StagePasses`."""

    def read(self, items: Sequence[Mapping[str, object]]) -> EvidenceSet | None:
        """The pass among a request's evidence; ``None`` where none of it is one. Raises :class:`MalformedEvidence`."""
        ...

    def require_in_use(self, claims: Claims, client_data: ClientData, now: float) -> None:
        """Raises :class:`~attestation.errors.RejectedEvidence` for a key whose pass ended, or is not for this."""


@dataclass(frozen=True, slots=True)
class EvidenceSet:
    """Parsed evidence: ``proof`` of a key, and additional evidence about the device. ``environment`` is ``test`` for
    what stands in for a proof on test stages (:mod:`service.passes`), else empty."""

    proof: Evidence
    additional: tuple[Evidence, ...]

    environment: ClassVar[str] = ""

    @classmethod
    def read(cls, items: Sequence[Mapping[str, object]], *, proving: tuple[type[Evidence], ...]) -> EvidenceSet:
        """The evidence of a request whose key must be proved by one of the ``proving`` kinds.

        Raises :class:`MalformedEvidence` for a piece that cannot be read, for none or several proofs, and for two
        pieces of one kind: of two verdicts an attacker would choose the better one.
        """
        pieces = [parse_evidence(item) for item in items]
        proofs = [piece for piece in pieces if isinstance(piece, proving)]
        if len(proofs) != 1 or len({type(piece) for piece in pieces}) != len(pieces):
            raise MalformedEvidence(Reason.STRUCTURE_INVALID, "not exactly one proof of a key, and each kind once")
        return cls(proofs[0], tuple(piece for piece in pieces if piece is not proofs[0]))

    def verify(
        self,
        *,
        client_data: ClientData,
        challenge: OpenedChallenge,
        app: RegisteredApp,
        endorsements: VendorEndorsements,
        play: PlayIntegrity,
        now: float,
        attested_key: AttestedKey | None = None,
    ) -> Claims:
        """What all pieces prove together, over the same ``client_data``, which holds the opened ``challenge``.
        ``attested_key`` is given for a renewal.

        The key comes first: Google is not asked about a key that does not verify. Raises
        :class:`~attestation.errors.AttestationError` as :func:`attestation.verify.verify` does, and
        :class:`~service.errors.Unavailable`.
        """
        claims = self.prove(
            client_data=client_data, app=app, endorsements=endorsements, now=now, attested_key=attested_key
        )
        for piece in self.additional:
            if isinstance(piece, SealingKeyEvidence):
                continue  # says nothing of the attested key: see `endorsed`
            if isinstance(piece, PlayIntegrityToken):
                claims = play.verify_additional_evidence(
                    claims,
                    piece,
                    app=app.app,
                    challenge=challenge,
                    client_data_hash=client_data.digest,
                    expected=app.reference_values.android,
                    enrolling=attested_key is None,
                    now=now,
                )
            else:
                claims = verify_additional_evidence(
                    claims,
                    piece,
                    client_data_hash=client_data.digest,
                    reference_values=app.reference_values,
                    endorsements=endorsements.for_evidence(piece, now),
                    now=now,
                )
        return claims

    def endorsed(
        self,
        client_data: ClientData,
        *,
        claims: Claims,
        known: SealingKey | None = None,
        app: RegisteredApp,
        endorsements: VendorEndorsements,
        now: float,
    ) -> SealingKey | None:
        """The sealing key of an attested key with these verified ``claims`` from now on: the one that its client data
        names or that evidence attests, else the one that was ``known``. Raises as :meth:`verify` does."""
        pieces = [piece for piece in self.additional if isinstance(piece, SealingKeyEvidence)]
        if len(pieces) > 1:
            raise MalformedEvidence(Reason.STRUCTURE_INVALID, "more than one attestation of a sealing key")
        key, evidence = client_data.sealing_key, pieces[0] if pieces else None
        if evidence is not None:
            key = verify_sealing_key(
                evidence,
                sealing_key=key,
                claims=claims,
                client_data_hash=client_data.digest,
                reference_values=app.reference_values,
                endorsements=endorsements.for_evidence(evidence, now),
                now=now,
            )
        if key is None:
            return known
        return endorsed_sealing_key(key, claims=claims, proved=evidence is not None, known=known)

    def prove(
        self,
        *,
        client_data: ClientData,
        app: RegisteredApp,
        endorsements: VendorEndorsements,
        now: float,
        attested_key: AttestedKey | None = None,
    ) -> Claims:
        """What the proof of the key proves by itself; raises as :meth:`verify` does. Google is not asked."""
        return verify(
            self.proof,
            client_data_hash=client_data.digest,
            reference_values=app.reference_values,
            endorsements=endorsements.for_evidence(self.proof, now),
            now=now,
            attested_key=attested_key,
        )
