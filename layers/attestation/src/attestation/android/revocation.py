"""Google's attestation status list: which certificates of Android chains are no longer to be believed.

Source: https://developer.android.com/privacy-and-security/security-key-attestation#certificate_status. The list names
certificates by serial number in lower-case hexadecimal. Most serials happen to consist of decimal digits; they are
hexadecimal all the same, and verifiers that look them up in decimal, padded to whole bytes or as substrings have let
revoked keyboxes through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from attestation.errors import EndorsementsUnavailable, MalformedEvidence, Reason
from attestation.jose import read_json_object

MAX_STATUS_LIST_BYTES: Final = 10 * 1024 * 1024
"""Largest list that is read. The list of January 2025 has 50 KB."""
LONG_SERIAL_BITS: Final = 64
"""A leaf's own serial is looked up from this length on. Devices write 1 into nearly every leaf: an entry ``1``, which
Google's own example has, would otherwise revoke everybody."""

_SERIAL: Final = re.compile(r"[1-9a-f][0-9a-f]{0,127}\Z")


@dataclass(frozen=True, slots=True)
class StatusList:
    """One status list as fetched. Immutable: a newer one takes its place whole.

    ``entries`` maps a serial (lower-case hexadecimal, no leading zeros) to its status. Every status counts as revoked,
    ``SUSPENDED`` and ones not invented yet included: the documented good status is absence. ``fetched_at`` is when
    Google was last heard confirming it, in Unix seconds.
    """

    entries: Mapping[str, str]
    fetched_at: float

    def status_of(self, serial: int) -> str | None:
        """The status of the certificate with that serial number, ``None`` when the list does not name it."""
        if serial < 0:
            # A positive number whose writer forgot the leading zero octet: Google lists it as the octets read.
            serial += 1 << (serial.bit_length() // 8 + 1) * 8
        return self.entries.get(f"{serial:x}")


def parse_status_list(data: bytes, *, fetched_at: float) -> StatusList:
    """Read the list as Google serves it: ``{"entries": {serial: {"status": …, …}, …}}``.

    Strict, because a list half understood is one that misses revocations: a serial in any other spelling, a serial
    listed twice or an entry without status refuses the whole list, and the caller keeps the last good one. Unknown
    members beside these are ignored. Raises :class:`EndorsementsUnavailable` (``endorsements-malformed``).
    """
    if len(data) > MAX_STATUS_LIST_BYTES:
        raise _malformed(f"status list over {MAX_STATUS_LIST_BYTES} bytes")
    try:
        listed = read_json_object(data).get("entries")
    except MalformedEvidence as error:
        raise _malformed("status list is not one strict JSON object") from error
    if not isinstance(listed, dict):
        raise _malformed("status list has no object of entries")
    entries = {}
    for serial, entry in listed.items():
        if not _SERIAL.match(serial):
            raise _malformed("a serial of the status list is not lower-case hexadecimal without leading zeros")
        status = entry.get("status") if isinstance(entry, dict) else None
        if not isinstance(status, str) or not status:
            raise _malformed("an entry of the status list has no status")
        entries[serial] = status
    return StatusList(MappingProxyType(entries), fetched_at)


def _malformed(detail: str) -> EndorsementsUnavailable:
    return EndorsementsUnavailable(Reason.ENDORSEMENTS_MALFORMED, detail)
