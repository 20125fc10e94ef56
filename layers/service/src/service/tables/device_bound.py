"""A bound on enrolments: so many a day and app under one device certificate of a remotely provisioned Android phone.

The attack: a farm extracts one phone's attestation key, or keeps the phone, and enrols app instances with it all day.
Google gives such a certificate to one device, and to its apps apart, so an honest one enrols when the app is installed
again. Factory chains are not counted: thousands of phones share each of their certificates.

The count is part of the transaction that enrols: what is refused or lost counts nothing, and of racing enrolments no
more get through than the bound allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from service.aws import TransactWriteItemTypeDef, to_item
from service.tables.attested_keys import EnrolledKey

_DAY: Final = 86_400
_KEPT: Final = 3 * _DAY
"""From the beginning of the day: a date to the second would name the enrolment that was counted last."""


@dataclass(frozen=True, slots=True)
class DeviceBound:
    """The bound, counted in ``table`` (play_requests: counters of a day, deleted by TTL). ``limit`` 0 is none.

    A day is one of UTC. The row names the app and the certificate by a digest, not by its serial number.
    """

    table: str
    limit: int = 0

    def counting(self, key: EnrolledKey) -> TransactWriteItemTypeDef | None:
        """The part of a transaction that counts the enrolment of ``key`` and fails it beyond the bound; ``None`` for
        keys that are not bounded."""
        subject = bounded_subject(key)
        if self.limit <= 0 or subject is None:
            return None
        return {
            "Update": {
                "TableName": self.table,
                "Key": to_item({"request": f"enrolments/{subject}"}),
                "UpdateExpression": "SET enrolled = if_not_exists(enrolled, :none) + :one, expires_at = :expires",
                "ConditionExpression": "attribute_not_exists(enrolled) OR enrolled < :limit",
                "ExpressionAttributeValues": to_item(
                    {":none": 0, ":one": 1, ":limit": self.limit, ":expires": _day_of(key) * _DAY + _KEPT}
                ),
            }
        }


def bounded_subject(key: EnrolledKey) -> str | None:
    """What an enrolment is counted under: app, device certificate and day. ``None`` where no certificate is one
    device's."""
    android = key.claims.android
    serial = None if android is None else android.device_certificate
    if serial is None:
        return None
    digest = sha256(f"{key.app}/{serial}".encode()).hexdigest()
    return f"{digest}/{_day_of(key)}"


def _day_of(key: EnrolledKey) -> int:
    return key.enrolled_at // _DAY
