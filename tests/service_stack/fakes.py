"""The service's collaborators in memory. Contract tests hold them to what the real adapters do.

Each fake has ``down``: while it is set, every call raises :class:`Unavailable`, as the adapters do in an outage.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from attestation.appraisal.builds import KnownBuild
from attestation.appraisal.signal_history import SignalHistory
from attestation.challenge import OpenedChallenge
from attestation.errors import Reason, RejectedEvidence
from bonafide_tokens.errors import Reason as TokenReason
from bonafide_tokens.errors import Rejected as RejectedToken
from bonafide_tokens.jose import EcPublicKey
from bonafide_tokens.proof import VerifiedProof
from bonafide_tokens.routes import RouteRequirement
from bonafide_tokens.signing import jwks, public_key_of
from bonafide_tokens.trust_bundle import AppStatus, TrustBundle
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from service.errors import NotKnown, Rejected, Unavailable
from service.errors import Reason as ServiceReason
from service.keys.publish_debounce import STALE
from service.tables.apps import RegisteredApp
from service.tables.attested_keys import EnrolledKey, KeyState
from service.tables.device_bound import bounded_subject
from service.tables.revocations import KEY, MAX_LISTED, listed_until, statuses_of
from service.tables.signing_keys import Contents, StoredKey
from service.tables.spent_proofs import name_of
from service.tables.trust_bundles import StoredBundle

from tests.minted_claims import changed_claims


@dataclass
class Switch:
    """Something that can be down, and that counts its calls."""

    down: bool = False
    calls: int = 0

    def touch(self) -> None:
        self.calls += 1
        if self.down:
            raise Unavailable(type(self).__name__)


@dataclass
class MemoryApps(Switch):
    """:class:`service.tables.apps.Apps` and its ``AppNames``."""

    rows: dict[str, RegisteredApp] = field(default_factory=dict)

    def find(self, app: str) -> RegisteredApp | None:
        self.touch()
        return self.rows.get(app)

    def names(self) -> tuple[str, ...]:
        self.touch()
        return tuple(sorted(self.rows))


@dataclass
class MemoryBuilds(Switch):
    """:class:`service.tables.known_builds.Builds`; rows by app, platform and build."""

    rows: dict[tuple[str, str, str], KnownBuild] = field(default_factory=dict)

    def find(self, app: str, platform: str, build: str) -> KnownBuild | None:
        self.touch()
        return self.rows.get((app, platform, build))

    def recalled(self, app: str, platform: str, build: str) -> KnownBuild | None:  # noqa: ARG002
        return None


@dataclass
class MemoryAttestedKeys(Switch):
    """:class:`service.tables.attested_keys.AttestedKeys`."""

    rows: dict[str, EnrolledKey] = field(default_factory=dict)
    receipts: dict[str, bytes | None] = field(default_factory=dict)
    region: str = ""

    def find(self, key_id: str) -> EnrolledKey | None:
        self.touch()
        return self.rows.get(key_id)

    def unnoted(self) -> dict[str, EnrolledKey]:
        """The rows without notes: what only a success may change."""
        return {key_id: replace(row, noted=None) for key_id, row in self.rows.items()}

    def note(self, key: EnrolledKey, noted: SignalHistory) -> bool:
        self.touch()
        row = self.rows.get(key.key_id)
        if row is None or row.app != key.app or _revision(row) != _revision(key):
            return False
        self.rows[key.key_id] = replace(row, noted=noted)
        return True


def _revision(key: EnrolledKey) -> int | None:
    return None if key.noted is None else key.noted.revision


@dataclass
class MemoryRedemption(Switch):
    """:class:`service.redemption.Redemption` over the keys above; a lock stands for DynamoDB's transactions."""

    attested_keys: MemoryAttestedKeys = field(default_factory=MemoryAttestedKeys)
    spent: set[str] = field(default_factory=set)
    device_limit: int = 0
    enrolled: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def enrol(self, challenge: OpenedChallenge, key: EnrolledKey) -> bool:
        with self.lock:
            self.touch()
            row = self.attested_keys.rows.get(key.key_id)
            if row is not None and (row.expires_at > key.enrolled_at or row.is_blocked(key.enrolled_at)):
                if row.is_blocked(key.enrolled_at):
                    raise Rejected(ServiceReason.KEY_BLOCKED)
                if row.enrolment != key.enrolment or key.enrolment is None or row.noted or row.app != key.app:
                    raise Rejected(ServiceReason.KEY_ALREADY_ENROLLED)
                return False
            self._require_unspent(challenge)
            subject = bounded_subject(key)
            if self.device_limit and subject is not None:
                if self.enrolled[subject] >= self.device_limit:
                    raise Rejected(ServiceReason.DEVICE_ENROLMENTS)
                self.enrolled[subject] += 1
            self._write(challenge, key)
            return True

    def renew(self, challenge: OpenedChallenge, key: EnrolledKey) -> None:
        with self.lock:
            self.touch()
            self._require_unspent(challenge)
            row = self.attested_keys.rows.get(key.key_id)
            if row is None:
                raise Rejected(ServiceReason.KEY_UNKNOWN)
            if row.is_blocked(key.last_seen):
                raise Rejected(ServiceReason.KEY_BLOCKED)
            if row.app != key.app:
                raise Rejected(ServiceReason.KEY_OTHER_APP)
            if row.expires_at <= key.last_seen:
                raise Rejected(ServiceReason.KEY_UNKNOWN)
            if self.attested_keys.region and row.region != key.region:
                raise Unavailable("the key has just moved to another region")
            if key.counter is None and row.counter is not None:
                raise RejectedEvidence(Reason.KEY_OTHER_PLATFORM)
            if key.counter is not None and (row.counter is None or row.counter >= key.counter):
                raise RejectedEvidence(Reason.COUNTER_NOT_GREATER)
            changed = replace(
                row,
                counter=key.counter,
                claims=key.claims,
                state=KeyState.ACTIVE,
                blocked_until=None,
                last_seen=key.last_seen,
                expires_at=key.expires_at,
                enrolment=None,
                sealing_key=key.sealing_key,
            )
            self._write(challenge, changed)

    def is_spent(self, challenge: OpenedChallenge) -> bool:
        self.touch()
        return challenge.nonce in self.spent

    def _require_unspent(self, challenge: OpenedChallenge) -> None:
        if challenge.nonce in self.spent:
            raise Rejected(ServiceReason.CHALLENGE_SPENT)

    def _write(self, challenge: OpenedChallenge, key: EnrolledKey) -> None:
        self.spent.add(challenge.nonce)
        # The receipt is part neither of the claims' record nor of the key's row.
        self.attested_keys.receipts.setdefault(key.key_id, key.receipt)
        self.attested_keys.rows[key.key_id] = replace(
            key,
            claims=changed_claims(key.claims, receipt=None),
            receipt=None,
            region=self.attested_keys.region or key.region,
        )


@dataclass
class MemorySigningKeys(Switch):
    """:class:`service.tables.signing_keys.SigningKeys`."""

    rows: dict[str, StoredKey] = field(default_factory=dict)
    documents: list[str] = field(default_factory=list)

    def all(self) -> tuple[StoredKey, ...]:
        self.touch()
        return tuple(self.rows.values())

    def contents(self) -> Contents:
        return Contents(self.all(), tuple(self.documents))

    def add(self, key: StoredKey, *, retiring: Mapping[str, int] | None = None) -> bool:
        self.touch()
        if key.kid in self.rows or not self.rows.keys() >= (retiring or {}).keys():
            return False
        self.rows[key.kid] = key
        self._retire(retiring or {})
        return True

    def activate(self, kid: str, active_from: int, *, retiring: Mapping[str, int]) -> bool:
        self.touch()
        row = self.rows.get(kid)
        if row is None or row.active_from is not None or not self.rows.keys() >= retiring.keys():
            return False
        self.rows[kid] = replace(row, active_from=active_from)
        self._retire(retiring)
        return True

    def remove(self, kid: str) -> None:
        self.touch()
        self.rows.pop(kid, None)

    def _retire(self, retiring: Mapping[str, int]) -> None:
        for kid, moment in retiring.items():
            if self.rows[kid].retired_at is None:
                self.rows[kid] = replace(self.rows[kid], retired_at=moment)


@dataclass
class MemoryApis(Switch):
    """:class:`service.tables.routes.Apis`."""

    rows: dict[str, tuple[RouteRequirement, ...]] = field(default_factory=dict)

    def all(self) -> Mapping[str, tuple[RouteRequirement, ...]]:
        self.touch()
        return dict(self.rows)


@dataclass
class MemoryRevocations(Switch):
    """:class:`service.tables.revocations.Revocations`, over rows as the table has them, and lists of keys by digest."""

    rows: list[dict[str, object]] = field(default_factory=list)
    key_lists: dict[str, frozenset[int]] = field(default_factory=dict)

    def statuses(self, now: float, *, most: int = MAX_LISTED) -> Mapping[str, AppStatus]:
        self.touch()
        return statuses_of(self.rows, now, most=most, keys_of=self.key_lists.get)


@dataclass
class MemoryBlocking(Switch):
    """:class:`service.tables.blocking.Blocking`, over keys and revocations."""

    attested_keys: MemoryAttestedKeys = field(default_factory=MemoryAttestedKeys)
    revocations: MemoryRevocations = field(default_factory=MemoryRevocations)

    def block_automatically(self, key_id: str, *, by: str, now: float, reason: str, seconds: int) -> bool:
        self.touch()
        row, until = self.attested_keys.rows.get(key_id), int(now) + seconds
        if row is None:
            raise NotKnown(key_id)
        if row.state is KeyState.BLOCKED and (row.blocked_until is None or row.blocked_until >= until):
            return False
        self.attested_keys.rows[key_id] = replace(row, state=KeyState.BLOCKED, blocked_until=until)
        why = {"at": int(now), "until": until, "by": by, "reason": reason}
        listed = {"app": row.app, "revoked": KEY + key_id, "expires_at": listed_until(at=int(now), until=until)}
        self.revocations.rows.append({**why, **listed})
        return True


@dataclass
class MemorySpentProofs(Switch):
    """:class:`service.tables.spent_proofs.SpentProofs`."""

    names: set[str] = field(default_factory=set)

    def spend(self, proof: VerifiedProof) -> None:
        self.touch()
        if name_of(proof) in self.names:
            raise RejectedToken(TokenReason.PROOF_REPLAYED)
        self.names.add(name_of(proof))


@dataclass
class MemoryPublicationRequests:
    """:class:`service.keys.publish_debounce.PublicationRequests`: when a publication was requested."""

    asked: list[float] = field(default_factory=list)

    def ask(self, now: float) -> None:
        self.asked.append(now)


@dataclass
class MemoryPublishDebounce(Switch):
    """:class:`service.keys.publish_debounce.PublishDebounce`."""

    placed_at: float | None = None

    def place(self, now: float) -> bool:
        self.touch()
        if self.placed_at is not None and self.placed_at > now - STALE:
            return False
        self.placed_at = now
        return True

    def withdraw(self, now: float) -> None:
        self.touch()
        if self.placed_at == now:
            self.placed_at = None

    def remove(self) -> None:
        self.touch()
        self.placed_at = None


@dataclass
class MemoryTrustBundles(Switch):
    """:class:`service.tables.trust_bundles.TrustBundles`."""

    rows: dict[tuple[str, int], StoredBundle] = field(default_factory=dict)

    def latest(self, issuer: str, *, above: int = 0) -> StoredBundle | None:
        self.touch()
        versions = [version for row_issuer, version in self.rows if row_issuer == issuer and version > above]
        return self.rows[issuer, max(versions)] if versions else None

    def add(self, bundle: TrustBundle, jws: str) -> bool:
        self.touch()
        if (bundle.issuer, bundle.version) in self.rows:
            return False
        self.rows[bundle.issuer, bundle.version] = StoredBundle(
            version=bundle.version,
            jws=jws,
            jwks=json.dumps(jwks(bundle.keys), separators=(",", ":")),
            issued_at=int(bundle.issued_at),
            expires_at=int(bundle.expires_at),
        )
        return True


@dataclass
class SoftwareWrappingKey(Switch):
    """:class:`service.keys.kms.WrappingKey`: AES-GCM, with the kid as associated data."""

    key: bytes = b"wrapping key of the unit tests.."
    stack: str = "unit"

    def wrap(self, kid: str, secret: bytes) -> bytes:
        self.touch()
        nonce = self.calls.to_bytes(12)
        return nonce + AESGCM(self.key).encrypt(nonce, secret, f"{self.stack}/{kid}".encode())

    def unwrap(self, kid: str, wrapped: bytes) -> bytes:
        self.touch()
        try:
            return AESGCM(self.key).decrypt(wrapped[:12], wrapped[12:], f"{self.stack}/{kid}".encode())
        except InvalidTag as error:
            raise Unavailable("InvalidCiphertextException") from error


@dataclass
class SoftwareRootKey(Switch):
    """:class:`service.keys.kms.RootKey`."""

    private_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def sign(self, digest: bytes) -> bytes:
        self.touch()
        return self.private_key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))

    def public_key(self) -> EcPublicKey:
        self.touch()
        return public_key_of(self.private_key)
