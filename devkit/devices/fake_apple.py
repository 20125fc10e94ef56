"""What stands for Apple's server: it exchanges App Attest receipts for newer ones with the risk metric, as Apple
documents it ("Assessing fraud risk") and its engineers say in the forums (threads 702845, 748312).

It signs under the device authority's test root. It learns of an attestation when its receipt is sent for the first
time; Apple knows at once. A device is what the first half of a receipt's token names.
"""

from __future__ import annotations

import base64
import binascii
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, NamedTuple

import jwt
from attestation.apple.receipt import (
    Receipt,
    ReceiptType,
    read_receipt_fields,
    read_signed_receipt,
    verify_receipt,
)
from attestation.encoding.certificate import read_certificate
from attestation.endorsements import Endorsements, TrustAnchor
from attestation.errors import AttestationError
from attestation.evidence import AppleReceipt
from attestation.reference_values import AppleReferenceValues, Environment
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.apple.receipt import (
    APP_ID,
    ATTESTED_KEY,
    CLIENT_HASH,
    ENVIRONMENT,
    TOKEN,
    ReceiptDraft,
    exchanged_fields,
)
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.authority.certificate_template import new_private_key

WINDOW: Final = 30 * 86_400
"""Seconds for which Apple keeps what it counts."""
_HOUR: Final = 3600
_NAMES: Final = {Environment.PRODUCTION: "production", Environment.DEVELOPMENT: "sandbox"}


class AppleAnswer(NamedTuple):
    """An HTTP answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class DeveloperTeam:
    """A team and its key with the service DeviceCheck, as Apple knows them."""

    team_id: str
    key_id: str
    public_key: ec.EllipticCurvePublicKey


@dataclass(slots=True, kw_only=True)
class SoftwareApple:
    """Apple, as far as receipts go. ``clock`` gives Unix seconds; ``per_second`` is how many questions of one team it
    takes in a second, 0 any number. ``exchanged`` counts receipts that were given out."""

    authority: DeviceAuthority
    teams: dict[str, DeveloperTeam] = field(default_factory=dict)
    clock: Callable[[], float]
    per_second: int = 0
    exchanged: int = 0
    _attested: dict[bytes, dict[bytes, float]] = field(default_factory=dict)
    _asked: dict[tuple[str, int], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def of(cls, authority: DeviceAuthority, team_id: str, clock: Callable[[], float] = time.time) -> SoftwareApple:
        """Apple with one team, whose key follows from the authority's root: see :func:`developer_key`."""
        key_id, private = developer_key(authority, team_id)
        team = DeveloperTeam(team_id, key_id, private.public_key())
        return cls(authority=authority, teams={key_id: team}, clock=clock)

    def answer(self, environment: Environment, body: bytes, authorization: str) -> AppleAnswer:
        """What it answers to a POST."""
        now = self.clock()
        with self._lock:
            team = self._team(authorization, now)
            if team is None:
                return AppleAnswer(401, b"Unauthorized")
            if self._too_many(team, now):
                return AppleAnswer(429, b"Too Many Requests")
            receipt = self._receipt(body, now)
            if receipt is None or receipt.environment != _NAMES[environment]:
                return AppleAnswer(400, b"Bad Payload" if receipt is None else b"Incorrect Environment")
            if not receipt.app_id.startswith(team.team_id):
                return AppleAnswer(401, b"Unauthorized")
            if receipt.not_before is not None and now < receipt.not_before:
                return AppleAnswer(304)
            metric = self._metric(receipt, now)
            if not metric:
                return AppleAnswer(404, b"No Data Found")
            self.exchanged += 1
            return AppleAnswer(200, base64.b64encode(self._sealed(receipt, metric, now)))

    def attest(self, device: bytes, key: bytes, at: float) -> None:
        """Hear of an attestation before its receipt comes: ``key`` is its certificate's SHA-256."""
        self._attested.setdefault(device, {})[key] = at

    def _team(self, authorization: str, now: float) -> DeveloperTeam | None:
        """The team whose token that is: by ES256, with ``kid`` and ``iss``, and no older than an hour."""
        try:
            key_id = jwt.get_unverified_header(authorization).get("kid", "")
            team = self.teams.get(key_id)
            if team is None:
                return None
            claims = jwt.decode(
                authorization,
                team.public_key,
                algorithms=["ES256"],
                options={"require": ["iss", "iat"], "verify_iat": False},
            )
        except jwt.PyJWTError:
            return None
        fresh = -60 <= now - float(claims["iat"]) <= _HOUR
        return team if claims["iss"] == team.team_id and fresh else None

    def _too_many(self, team: DeveloperTeam, now: float) -> bool:
        second = (team.team_id, int(now))
        self._asked = {name: times for name, times in self._asked.items() if name[1] >= int(now) - 1}
        self._asked[second] = self._asked.get(second, 0) + 1
        return 0 < self.per_second < self._asked[second]

    def _receipt(self, body: bytes, now: float) -> Receipt | None:
        root = TrustAnchor.of(read_certificate(self.authority.root_certificate))
        try:
            receipt = base64.b64decode(body, validate=True)
            app_id = _app_id(receipt)
            return verify_receipt(
                AppleReceipt(receipt=receipt),
                attested_public_key=None,
                reference_values=AppleReferenceValues(app_ids=(app_id,), environments=frozenset(Environment)),
                endorsements=Endorsements(apple_attestation=(), apple_receipt=(root,)),
                now=now,
            )
        except (AttestationError, binascii.Error, ValueError):
            return None

    def _metric(self, receipt: Receipt, now: float) -> int:
        """How many keys the device attested within thirty days, as far as it is known."""
        device, key = device_of(receipt), sha256(receipt.certificate).digest()
        known = self._attested.setdefault(device, {})
        if receipt.type is ReceiptType.ATTEST or key not in known:
            known.setdefault(key, receipt.creation_time)
        return sum(now - at < WINDOW for at in known.values())

    def _sealed(self, receipt: Receipt, metric: int, now: float) -> bytes:
        apple = self.authority.apple
        signer = apple.receipt_signer(now)
        fields = {
            APP_ID: receipt.app_id.encode("utf-8"),
            ATTESTED_KEY: receipt.certificate,
            CLIENT_HASH: receipt.client_hash or b"",
            TOKEN: (receipt.token or "").encode("ascii"),
            ENVIRONMENT: (receipt.environment or "").encode("ascii"),
        }
        return ReceiptDraft(
            fields=exchanged_fields(fields, risk_metric=metric, created_at=now),
            signer=signer,
            certificates=(signer.certificate, apple.receipt_ca.certificate, apple.root.certificate),
        ).seal()


def developer_key(authority: DeviceAuthority, team_id: str) -> tuple[str, ec.EllipticCurvePrivateKey]:
    """The id of a team's key with the service DeviceCheck, and the key, as the team downloads it from Apple."""
    drawn = authority.android.drawn(f"device check key of {team_id}")
    return f"K{team_id[-9:]}", new_private_key(ec.SECP256R1(), drawn)


def device_of(receipt: Receipt) -> bytes:
    """What names the device: the first half of the token."""
    return base64.b64decode(receipt.token or "")[:32]


def _app_id(receipt: bytes) -> str:
    return read_receipt_fields(read_signed_receipt(receipt).content).app_id
