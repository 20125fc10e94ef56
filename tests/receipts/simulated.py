"""Days of exchanges in simulated time: phones, receipts and keys in memory, Apple's server in software, faults by plan.

The code that runs is the product's: schedule, pace, run, exchange and verification. What is in its place are the table
(with conditions and revisions, as the contract test holds the real one to), the network, and time.
"""

from __future__ import annotations

import base64
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from typing import Final

from attestation.apple.attestation import read_attestation_object
from attestation.apple.receipt import read_receipt_fields, read_signed_receipt
from attestation.claims import AppleClaims, KeyStorage, Platform, key_id_of
from attestation.encoding.certificate import read_certificate
from attestation.endorsements import Endorsements, TrustAnchor
from attestation.reference_values import AppleReferenceValues, Environment
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from service.receipts.device_check import DeviceCheckKey, Tokens
from service.receipts.exchange_one import Exchange
from service.receipts.new_receipts import new_receipt
from service.receipts.run import Limits, Report, Run, Work
from service.receipts.stored_receipt import DAY, StoredReceipt
from service.receipts.table import Due, Lease
from service.tables.attested_keys import EnrolledKey
from service.vendors.outbound import Answer, Unreachable

from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.fake_apple import DeveloperTeam, SoftwareApple
from tests.minted_claims import minted_claims

START: Final = 1_800_000_000.0
TEAM: Final = "A1B2C3D4E5"
APP_ID: Final = f"{TEAM}.org.bonafide.demo"
EXPECTED: Final = AppleReferenceValues(app_ids=(APP_ID,), environments=frozenset(Environment))
PER_SECOND: Final = 20


class Crash(BaseException):
    """The process ends here: no handler of the product's catches it."""


@dataclass(slots=True)
class MemoryReceipts:
    """:class:`service.receipts.table.Receipts` in dictionaries."""

    rows: dict[str, StoredReceipt] = field(default_factory=dict)
    teams: dict[str, tuple[str, float, float, int]] = field(default_factory=dict)
    fail: Callable[[str], None] = lambda _call: None
    _leases: int = 0
    _indexed: int = -1
    _queues: dict[str, list[str]] = field(default_factory=dict)

    def due(self, queue: str, now: float, limit: int) -> Sequence[Due]:
        self.fail("due")
        if len(self.rows) != self._indexed:
            self._queues, self._indexed = {}, len(self.rows)
            for key_id, row in self.rows.items():
                self._queues.setdefault(row.queue, []).append(key_id)
        rows = (self.rows[key_id] for key_id in self._queues.get(queue, ()))
        found = [Due(row.key_id, row.due_at) for row in rows if row.due_at is not None and row.due_at <= now]
        return sorted(found, key=lambda one: one.due_at)[:limit]

    def find(self, key_id: str) -> StoredReceipt | None:
        self.fail("find")
        return self.rows.get(key_id)

    def replace(self, row: StoredReceipt, seen: StoredReceipt) -> bool:
        self.fail("replace")
        found = self.rows.get(row.key_id)
        if found is None or found.revision != seen.revision:
            return False
        self.rows[row.key_id] = replace(row, revision=seen.revision + 1)
        self.fail("replaced")
        return True

    def lease(self, team: str, now: float, seconds: float) -> Lease | None:
        self.fail("lease")
        _, leased_until, paused_until, pauses = self.teams.get(team, ("", 0.0, 0.0, 0))
        if leased_until > now or paused_until > now:
            return None
        self._leases += 1
        self.teams[team] = (str(self._leases), now + seconds, paused_until, pauses)
        return Lease(team, str(self._leases), pauses)

    def give_back(self, lease: Lease, *, paused_until: float, pauses: int) -> None:
        self.fail("give_back")
        if self.teams[lease.team][0] == lease.holder:
            self.teams[lease.team] = (lease.holder, 0.0, paused_until, pauses)


@dataclass(slots=True)
class MemoryKeys:
    """:class:`service.receipts.exchange_one.KeysWithRisk` in a dictionary."""

    rows: dict[str, EnrolledKey] = field(default_factory=dict)
    risks: dict[str, tuple[int, int]] = field(default_factory=dict)
    fail: Callable[[str], None] = lambda _call: None

    def find(self, key_id: str) -> EnrolledKey | None:
        self.fail("key")
        return self.rows.get(key_id)

    def note_risk(self, key_id: str, app: str, metric: int, at: int) -> bool:
        self.fail("note")
        row, known = self.rows.get(key_id), self.risks.get(key_id, (0, -1))
        if row is None or row.app != app or known[1] >= at:
            return False
        self.risks[key_id] = (metric, at)
        self.fail("noted")
        return True


@cache
def authority() -> DeviceAuthority:
    return DeviceAuthority.create(random.Random(11).randbytes)


@cache
def device_check_key() -> tuple[DeviceCheckKey, ec.EllipticCurvePublicKey]:
    private = ec.derive_private_key(0x5EED, ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
    key = DeviceCheckKey(team_id=TEAM, key_id="KEY1234567", private_key=pem, app_id_prefix=TEAM)
    return key, private.public_key()


@dataclass(slots=True)
class World:
    """Phones that enrolled, and the exchange of their receipts. ``now`` is simulated; ``network`` may answer instead of
    Apple, or raise."""

    seed: int = 1
    now: float = START
    per_second: int = PER_SECOND
    network: Callable[[World, bytes], Answer | None] = lambda _world, _receipt: None
    receipts: MemoryReceipts = field(default_factory=MemoryReceipts)
    keys: MemoryKeys = field(default_factory=MemoryKeys)
    asked: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    phones: dict[str, SoftwareIphone] = field(default_factory=dict)
    chance: random.Random = field(init=False)
    apple: SoftwareApple = field(init=False)
    tokens: Tokens = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        key, public = device_check_key()
        teams = {key.key_id: DeveloperTeam(TEAM, key.key_id, public)}
        self.apple = SoftwareApple(authority=authority(), teams=teams, clock=lambda: self.now)
        self.tokens = Tokens()

    def phone(self, *, development: bool = False) -> SoftwareIphone:
        return SoftwareIphone(
            authority=authority(),
            app_id=APP_ID,
            development=development,
            clock=lambda: self.now,
            random=self.chance.randbytes,
            device=self.chance.randbytes(32),
        )

    def enrol(self, phone: SoftwareIphone, *, receipt: bytes | None = None) -> str:
        """A new key of the phone, attested and enrolled now; its id."""
        key = phone.generate_key()
        evidence = read_attestation_object(phone.attest_key(key, sha256(key.encode()).digest()))
        point = phone.keys[key].point
        claims = minted_claims(
            format="apple-app-attest",
            platform=Platform.IOS,
            app_id=APP_ID,
            public_key=point,
            key_storage=KeyStorage.SECURE_ENCLAVE,
            environment=Environment.DEVELOPMENT if phone.development else Environment.PRODUCTION,
            chain_profile="strict",
            counter=0,
            apple=AppleClaims(),
        )
        enrolled = EnrolledKey(
            key_id=key_id_of(point),
            app="demo",
            claims=claims,
            counter=0,
            receipt=evidence.receipt if receipt is None else receipt,
            enrolled_at=int(self.now),
            last_seen=int(self.now),
            expires_at=int(self.now) + 400 * DAY,
        )
        row = new_receipt(enrolled)
        assert row is not None
        self.receipts.rows[row.key_id], self.keys.rows[row.key_id] = row, enrolled
        self.phones[row.key_id] = phone
        return row.key_id

    def exchange(self, interval: int = DAY) -> Exchange:
        root = TrustAnchor.of(read_certificate(authority().root_certificate))
        return Exchange(
            receipts=self.receipts,
            keys=self.keys,
            endorsements=Endorsements(apple_attestation=(), apple_receipt=(root,)),
            ask=self._ask,
            tokens=self.tokens,
            interval=interval,
            clock=lambda: self.now,
        )

    def run(self, *, seconds: float = 59.0, interval: int = DAY) -> Report:
        """One run, as a minute's schedule starts it."""
        key, _ = device_check_key()
        until = self.now + seconds
        works = [Work(key, environment, (("demo", EXPECTED),)) for environment in Environment]
        return Run(
            receipts=self.receipts,
            one=self.exchange(interval).one,
            forget_token=self.tokens.forget,
            limits=Limits(per_second=self.per_second, in_flight=0, most=2_000),
            clock=lambda: self.now,
            sleep=self._sleep,
            left=lambda: until - self.now,
        ).over(works)

    def minutes(self, count: int, *, interval: int = DAY, idle: bool = True) -> None:
        """So many minutes with their runs. Minutes in which nothing is due are passed over."""
        until = self.now + count * 60
        while self.now < until:
            began = self.now
            self.run(interval=interval)
            self.now = max(self.now, began + 60)
            if idle:
                due = [row.due_at for row in self.receipts.rows.values() if row.due_at is not None]
                pauses = [paused for _, _, paused, _ in self.receipts.teams.values()]
                wakes = max([min(due, default=until), *[each for each in pauses if each > self.now]])
                if wakes > self.now:
                    self.now = min(until, self.now + 60 * ((wakes - self.now) // 60))

    def holds_every_receipt(self) -> bool:
        """Every key that enrolled has a receipt about it, and every one that Apple would take is due some time."""
        return all(self.holds(key_id) for key_id in self.keys.rows)

    def holds(self, key_id: str) -> bool:
        row = self.receipts.rows.get(key_id)
        if row is None:
            return False
        fields = read_receipt_fields(read_signed_receipt(row.receipt).content)
        about_it = sha256(self.phones[key_id].keys[_apple_name(key_id)].point).digest()
        point = read_certificate(fields.certificate).spki[-65:]
        known = self.keys.risks.get(key_id)
        noted = not row.noted or row.risk_metric is None or (known is not None and known[0] == row.risk_metric)
        return sha256(point).digest() == about_it and noted and (row.due_at is not None or row.usable_until <= self.now)

    def fastest_second(self) -> int:
        """The most questions that began within one second, wherever it begins."""
        times, most, first = sorted(self.asked), 0, 0
        for last, at in enumerate(times):
            while at - times[first] >= 1 - 1e-6:
                first += 1
            most = max(most, last - first + 1)
        return most

    def _ask(self, environment: Environment, receipt: bytes, token: str) -> Answer:
        self.asked.append(self.now)
        try:
            other = self.network(self, receipt)
        except Unreachable:
            self.statuses["none"] += 1
            raise
        if other is None:
            answer = self.apple.answer(environment, base64.b64encode(receipt), token)
            other = Answer(answer.status, dict(answer.headers), answer.body)
        self.statuses[str(other.status)] += 1
        return other

    def _sleep(self, seconds: float) -> None:
        self.now += seconds


def _apple_name(key_id: str) -> str:
    """Apple's spelling of a key id."""
    return base64.b64encode(base64.urlsafe_b64decode(key_id + "=")).decode("ascii")
