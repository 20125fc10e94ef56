"""The attested_keys table: hardware keys that evidence proved, with their counter, state and last claims."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from typing import Any, Final, NamedTuple, Protocol

from attestation.appraisal.signal_history import SignalHistory
from attestation.attested_key import AttestedKey
from attestation.claims import Claims
from attestation.sealing.sealing_key import SealingKey
from bonafide_tokens.token import VerifiedToken

from service.aws import (
    DynamoDBClient,
    TransactWriteItemTypeDef,
    get_row,
    to_item,
    unavailable_on_failure,
    write_conditionally,
)
from service.errors import Reason as ServiceReason
from service.errors import Rejected, Unreadable
from service.fallback_modes import KeyRows
from service.items.packed_record import pack, text_of, unpack
from service.items.sealed_serials import Serials, open_serials, seal_serials

RECEIPT_OF: Final = "receipt/"
"""Before a key's id: the row in which older releases kept its receipt, which now has a table of its own
(:mod:`service.receipts.older_receipts`). No id of a key has a slash."""

PUBLIC_KEY_OF: Final = "public-key/"
"""Before a key's id: the row that keeps a public key that is no P-256 point."""
PUBLIC_KEY_SECONDS: Final = 10 * 365 * 24 * 3600
"""How long such a row is kept: longer than a phone lives. Without it the key is not known."""
_POINT_BYTES: Final = 65


@unique
class KeyState(StrEnum):
    """``BLOCKED`` keys stay known and are refused, for good or until the block ends."""

    ACTIVE = "active"
    BLOCKED = "blocked"


class Enrolment(NamedTuple):
    """The request that enrolled a key: the nonce it spent, and SHA-256 of its body."""

    nonce: str
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledKey:
    """One row. Times are Unix seconds; ``expires_at`` moves on with every renewal. ``claims`` are the latest.

    ``counter`` is the highest App Attest counter seen, ``None`` for keys of formats without one: there the spent nonce
    alone makes a signature good once. ``receipt`` is Apple's, opaque, of a key that enrols; one that is found has
    none (:mod:`service.receipts.table`). ``blocked_until`` is when a block ends by itself, ``None`` for one that does
    not. ``noted`` is what refused renewals left behind. ``enrolment`` is the request that
    enrolled the key, until its first renewal: then its answer was not lost. ``sealing_key`` is what secrets are sealed
    to, ``None`` until the app endorses one. ``home_country`` is where it enrolled from, if a header said so. ``region``
    is where it is at home, empty in a stack of one region and for keys from before it had several.
    """

    key_id: str
    app: str
    claims: Claims
    counter: int | None
    state: KeyState = KeyState.ACTIVE
    blocked_until: int | None = None
    receipt: bytes | None = None
    enrolled_at: int
    last_seen: int
    expires_at: int
    noted: SignalHistory | None = None
    enrolment: Enrolment | None = None
    sealing_key: SealingKey | None = None
    home_country: str | None = None
    region: str = ""

    def recalled(self) -> EnrolledKey:
        """This key with the claims that renewals are judged by: the stored ones, and what was noted since."""
        return self if self.noted is None else replace(self, claims=self.noted.recalled(self.claims))

    @property
    def attested_key(self) -> AttestedKey:
        """What a verifier needs of it."""
        return AttestedKey(
            public_key=self.claims.public_key,
            counter=self.counter or 0,
            apple_app_id=self.claims.app_id,
            claims=self.claims,
        )

    def is_blocked(self, now: float) -> bool:
        """Whether an operator's block is active."""
        return self.state is not KeyState.ACTIVE and (self.blocked_until is None or self.blocked_until > now)

    def require_usable(self, now: float) -> EnrolledKey:
        """This key, or :class:`Rejected` when it is blocked (``key-blocked``) or idle too long
        (``key-unknown``: TTL deletes late, so the date is judged here)."""
        if self.is_blocked(now):
            raise Rejected(ServiceReason.KEY_BLOCKED, "an operator blocked this key")
        if self.expires_at <= now:
            raise Rejected(ServiceReason.KEY_UNKNOWN, f"idle since {now - self.last_seen:.0f} s")
        return self


class AttestedKeys(Protocol):
    """Where use cases look a key up."""

    def find(self, key_id: str) -> EnrolledKey | None:
        """The key, whatever its state, or ``None``. Raises :class:`~service.errors.Unavailable`."""

    def note(self, key: EnrolledKey, noted: SignalHistory) -> bool:
        """Write ``noted`` on a key that was read as ``key``, and nothing else: no nonce, no counter, no date.

        False when the key is gone or another request noted something since it was read. Raises
        :class:`~service.errors.Unavailable`.
        """


def key_of_token(attested_keys: AttestedKeys, token: VerifiedToken, now: float) -> EnrolledKey:
    """The key that a token was minted for, by its row and not only the trust bundle: a block counts from the moment at
    which it is written. Raises :class:`Rejected` where it cannot be used, and :class:`~service.errors.Unavailable`."""
    key = attested_keys.find(token.key_id)
    if key is None:
        raise Rejected(ServiceReason.KEY_UNKNOWN, "no such key is enrolled")
    if key.app != token.app:
        raise Rejected(ServiceReason.KEY_OTHER_APP, "the key belongs to another app")
    return key.require_usable(now).recalled()


@dataclass(frozen=True, slots=True)
class DynamoDBAttestedKeys:
    """:class:`AttestedKeys` in DynamoDB, and the parts of transactions that write them."""

    client: DynamoDBClient
    table: str
    rows: KeyRows = KeyRows.PACKED
    serials_key: Callable[[], bytes | None] | None = None
    """What seals the serials of chains: without it they are not read; ``None`` from it, and they lie in the clear."""
    region: str = ""
    """The region that writes: a key that enrols or renews is at home there. Empty in a stack of one region."""

    def find(self, key_id: str) -> EnrolledKey | None:
        return self.read(self._get(key_id))

    def read(self, row: Mapping[str, Any] | None) -> EnrolledKey | None:
        """The key in a row of the table, whichever release wrote it. Raises :class:`Rejected` for one that was erased,
        and :class:`~service.errors.Unavailable`, also for a row that is damaged."""
        if row is None:
            return None
        if "claims" not in row and "public_key" not in row and "enrolment" not in row:  # erased, but for its block
            blocked = row_is_blocked(row, time.time())
            raise Rejected(ServiceReason.KEY_BLOCKED if blocked else ServiceReason.KEY_UNKNOWN, "the key was erased")
        try:
            claims = unpack(row["claims"])
            if "public_key" not in claims:  # it has an attribute, or a row, of its own
                own = row if "public_key" in row else self._get(PUBLIC_KEY_OF + row["key_id"])
                if own is None:
                    return None
                claims["public_key"] = own["public_key"].hex()
            if "chain" in row and self.serials_key is not None:
                claims["android"] |= self._opened(row["key_id"], row["chain"])
            return _key_of(row, _with_risk(Claims.of_stored_key(claims), row.get("risk")))
        except (KeyError, TypeError, ValueError) as error:
            raise Unreadable("a row of attested_keys cannot be read") from error

    def _get(self, key_id: str) -> dict[str, Any] | None:
        # Consistent: a renewal right after enrolment must find the key, and the newest counter refuses a replay early.
        return get_row(self.client, self.table, {"key_id": key_id}, called="attested_keys")

    def note(self, key: EnrolledKey, noted: SignalHistory) -> bool:
        unchanged = "attribute_not_exists(#noted)" if key.noted is None else "#noted.#revision = :read"
        row = {"revision": noted.revision, "record": self._stored(noted.to_record())}
        values = {":noted": row, ":app": key.app, ":read": None if key.noted is None else key.noted.revision}
        names = {"#app": "app", "#noted": "noted", **({} if key.noted is None else {"#revision": "revision"})}
        return write_conditionally(
            "dynamodb:UpdateItem attested_keys",
            self.client.update_item,
            TableName=self.table,
            Key={"key_id": {"S": key.key_id}},
            UpdateExpression="SET #noted = :noted",
            ConditionExpression=f"#app = :app AND {unchanged}",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=to_item(values),
        )

    def enrolling(self, key: EnrolledKey) -> TransactWriteItemTypeDef:
        """The part of a transaction that adds ``key``, and fails it when the key is known: a key enrols once.

        The row that stands comes back with the refusal: see :func:`service.redemption.require_same_request`. One that
        has expired is replaced, whether TTL has deleted it or not: its renewals are told that the key is not known.
        """
        expired = "expires_at <= :now AND (#state = :active OR #blocked.#until <= :now)"
        chain = self._sealed(key)
        return {
            "Put": {
                "TableName": self.table,
                "Item": to_item(
                    {
                        "key_id": key.key_id,
                        "app": key.app,
                        "public_key": None if self._keeps_apart(key) else key.claims.public_key,
                        "counter": key.counter,
                        "state": key.state.value,
                        "claims": self._claims(key, chain),
                        "chain": chain,
                        "enrolled_at": key.enrolled_at,
                        "last_seen": key.last_seen,
                        "expires_at": key.expires_at,
                        "enrolment": None if key.enrolment is None else key.enrolment._asdict(),
                        "sealing": None if key.sealing_key is None else key.sealing_key.to_bytes(),
                        "home": key.home_country,
                        "region": self.region or None,
                    }
                ),
                "ConditionExpression": f"attribute_not_exists(key_id) OR ({expired})",
                "ExpressionAttributeNames": {"#state": "state", "#blocked": "blocked", "#until": "until"},
                "ExpressionAttributeValues": to_item({":now": key.enrolled_at, ":active": KeyState.ACTIVE.value}),
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def keeping_public_key(self, key: EnrolledKey) -> TransactWriteItemTypeDef | None:
        """The part of a transaction that keeps the public key of ``key`` in a row of its own, if it is no P-256 point.

        Such keys sign no renewals, so these bytes (two kilobytes for ML-DSA) are hardly ever read.
        """
        if not self._keeps_apart(key):
            return None
        row = {
            "key_id": f"{PUBLIC_KEY_OF}{key.key_id}",
            "public_key": key.claims.public_key,
            "expires_at": key.enrolled_at + PUBLIC_KEY_SECONDS,
        }
        return {"Put": {"TableName": self.table, "Item": to_item(row)}}

    def _keeps_apart(self, key: EnrolledKey) -> bool:
        return self.rows is KeyRows.PACKED and len(key.claims.public_key) > _POINT_BYTES

    def _sealed(self, key: EnrolledKey) -> bytes | None:
        android, serials_key = key.claims.android, None if self.serials_key is None else self.serials_key()
        if android is None or serials_key is None or self.rows is not KeyRows.PACKED:
            return None
        return seal_serials(Serials(android.chain_serials, android.chain_names), key=serials_key, key_id=key.key_id)

    def _opened(self, key_id: str, sealed: bytes) -> dict[str, object]:
        serials_key = None if self.serials_key is None else self.serials_key()
        if serials_key is None:  # a revocation must not go unseen
            raise Unreadable("the key of sealed serials is gone")
        serials, names = open_serials(sealed, key=serials_key, key_id=key_id)
        return {"chain_serials": serials, "chain_names": names}

    def _claims(self, key: EnrolledKey, chain: bytes | None) -> str | bytes:
        record = key.claims.to_record()
        if chain is not None and isinstance(android := record["android"], dict):
            del android["chain_serials"], android["chain_names"]  # an attribute of their own
        if self.rows is KeyRows.PACKED:
            del record["public_key"]  # an attribute of its own
        return self._stored(record)

    def _stored(self, record: Mapping[str, object]) -> str | bytes:
        return pack(record) if self.rows is KeyRows.PACKED else text_of(record)

    def find_row(self, key: EnrolledKey) -> Mapping[str, Any] | None:
        """The row of ``key`` as DynamoDB has it, if there is one that has not expired."""
        with unavailable_on_failure("dynamodb:GetItem attested_keys"):
            answer = self.client.get_item(TableName=self.table, Key={"key_id": {"S": key.key_id}}, ConsistentRead=True)
        found = answer.get("Item")
        return found if found and int(found["expires_at"]["N"]) > key.enrolled_at else None

    def renewing(self, key: EnrolledKey) -> TransactWriteItemTypeDef:
        """The part of a transaction that moves the key's counter on, and fails it unless the counter grows.

        A row that failed comes back with the refusal: see :func:`service.redemption.renewal_refusal`. A block that has
        ended is cleared, and so is what older releases kept here: the receipt, which made every renewal three times as
        expensive, and the app id a second time.
        """
        counter = "attribute_not_exists(#counter)" if key.counter is None else "#counter < :counter"
        setting = "" if key.counter is None else "#counter = :counter, "
        sealing = None if key.sealing_key is None else key.sealing_key.to_bytes()
        setting += "" if sealing is None else "#sealing = :sealing, "
        chain = self._sealed(key)
        setting += "" if chain is None else "#chain = :chain, "
        setting += "#region = :region, " if self.region else ""
        # A key that another region took over meanwhile is renewed there.
        at_home = "#region = :home" if key.region else "attribute_not_exists(#region)"
        return {
            "Update": {
                "TableName": self.table,
                "Key": {"key_id": {"S": key.key_id}},
                "UpdateExpression": f"SET {setting}#claims = :claims, #seen = :seen, #expires = :expires, "
                "#state = :active REMOVE #blocked, #enrolment, #receipt, #again",
                "ConditionExpression": f"{counter} AND (#state = :active OR #blocked.#until <= :seen) AND #app = :app "
                f"AND #expires > :seen{f' AND {at_home}' if self.region else ''}",
                "ExpressionAttributeNames": {
                    "#counter": "counter",
                    "#claims": "claims",
                    "#seen": "last_seen",
                    "#expires": "expires_at",
                    "#state": "state",
                    "#blocked": "blocked",
                    "#until": "until",
                    "#app": "app",
                    "#enrolment": "enrolment",
                    "#receipt": "receipt",
                    "#again": "apple_app_id",
                    **({} if sealing is None else {"#sealing": "sealing"}),
                    **({} if chain is None else {"#chain": "chain"}),
                    **({"#region": "region"} if self.region else {}),
                },
                "ExpressionAttributeValues": to_item(
                    {
                        ":counter": key.counter,
                        ":claims": self._claims(key, chain),
                        ":chain": chain,
                        ":seen": key.last_seen,
                        ":expires": key.expires_at,
                        ":active": KeyState.ACTIVE.value,
                        ":app": key.app,
                        ":sealing": sealing,
                        ":region": self.region or None,
                        ":home": (self.region and key.region) or None,
                    }
                ),
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }


def ends_at(claims: Claims, idle: int) -> int:
    """When a key is forgotten that would be at ``idle`` if it were not used: with its test pass, if that is earlier."""
    return idle if claims.test_pass is None else min(idle, claims.test_pass.ends_at)


def _blocked_until(row: Mapping[str, Any]) -> int | None:
    until: int | None = row.get("blocked", {}).get("until")
    return until


def row_is_blocked(row: Mapping[str, Any], now: float) -> bool:
    """Whether the block in a row of the table is active."""
    until = _blocked_until(row)
    return row.get("state") == KeyState.BLOCKED.value and (until is None or until > now)


def _with_risk(claims: Claims, risk: Mapping[str, Any] | None) -> Claims:
    """The claims with the metric that was read of Apple since (:mod:`service.receipts`)."""
    return claims if risk is None or claims.apple is None else claims.with_risk_metric(risk["metric"])


def _key_of(row: Mapping[str, Any], claims: Claims) -> EnrolledKey:
    return EnrolledKey(
        key_id=row["key_id"],
        app=row["app"],
        claims=claims,
        counter=row.get("counter"),
        state=KeyState(row["state"]),
        blocked_until=_blocked_until(row),
        enrolled_at=row["enrolled_at"],
        last_seen=row["last_seen"],
        expires_at=row["expires_at"],
        noted=SignalHistory.from_record(unpack(row["noted"]["record"])) if "noted" in row else None,
        enrolment=Enrolment(**row["enrolment"]) if "enrolment" in row else None,
        sealing_key=SealingKey.from_bytes(bytes(row["sealing"])) if "sealing" in row else None,
        home_country=row.get("home"),
        region=row.get("region", ""),
    )
