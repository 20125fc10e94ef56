"""Google's attestation status list: which certificates of Android chains are no longer to be believed.

Source: https://developer.android.com/privacy-and-security/security-key-attestation#certificate_status. The list names
certificates by serial number in lower-case hexadecimal. Most serials happen to consist of decimal digits; they are
hexadecimal all the same, and verifiers that look them up in decimal alone, padded to whole bytes or as substrings have
let revoked keyboxes through.

Only Google writes the list: small mistakes in it must not cost us the rest. Public copies of 2023 and
2024 repeat serials, and a verifier that refused those had no list at all. So what has one meaning is read in any
spelling, and whatever is named is revoked. That costs nothing: an entry more refuses one batch, a list less believes
all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from json import JSONDecoder
from types import MappingProxyType
from typing import Final, NoReturn

from attestation.errors import EndorsementsUnavailable, Reason

MAX_STATUS_LIST_BYTES: Final = 10 * 1024 * 1024
"""Largest list that is read. The list of January 2025 has 50 KB."""
LONG_SERIAL_BITS: Final = 64
"""A leaf's own serial is looked up from this length on. Devices write 1 into nearly every leaf: an entry ``1``, which
Google's own example has, would otherwise revoke every device."""

REVOKED: Final = "REVOKED"
_SERIAL: Final = re.compile(r"[0-9a-f]{1,128}\Z")
_LONG: Final = 16
"""Characters from which a decimal serial or a subject's serial number is looked up: shorter ones could be the
hexadecimal serial of another certificate by chance. The shortest serial of random bits that was seen has seventeen."""


@dataclass(frozen=True, slots=True)
class StatusList:
    """One status list as fetched. Immutable: a newer one takes its place whole.

    ``entries`` maps a serial (lower-case hexadecimal, no leading zeros), or another name, to its status. Every status
    counts as revoked, ``SUSPENDED`` and ones not invented yet included: the documented good status is absence.
    ``fetched_at`` is when Google was last heard confirming it, in Unix seconds. ``unread`` counts the entries whose
    name is no serial number.
    """

    entries: Mapping[str, str]
    fetched_at: float
    unread: int = 0

    def status_of(self, serial: int) -> str | None:
        """The status of the certificate with that serial number, ``None`` when the list does not name it.

        Long serials are looked up in decimal as well, which the documentation does not promise and peers do.
        """
        if serial < 0:
            # A positive number whose writer forgot the leading zero octet: Google lists it as the octets read.
            serial += 1 << (serial.bit_length() // 8 + 1) * 8
        found = self.entries.get(f"{serial:x}")
        return found if found is not None else self._status_of_long(str(serial))

    def status_of_name(self, serial_number: str) -> str | None:
        """The status of certificates whose *subject* has that ``serialNumber``: a keybox, under whatever certificate.

        The documentation knows no such entries; a list that has them means them.
        """
        return self._status_of_long(_spelled(serial_number))

    def _status_of_long(self, name: str) -> str | None:
        return self.entries.get(name) if len(name) >= _LONG else None


def parse_status_list(data: bytes, *, fetched_at: float) -> StatusList:
    """Read the list as Google serves it: ``{"entries": {serial: {"status": …, …}, …}}``.

    Serials are read in either case, padded or not. One that is listed twice is one entry, and the stricter status
    counts; one without a status is revoked. A name that is no serial number is kept and counted, unless most of them
    are such: then it is another document. Other members are ignored. What is not JSON, or has no object of
    entries, is refused whole, and the caller keeps the last good list.
    Raises :class:`EndorsementsUnavailable` (``endorsements-malformed``).
    """
    if len(data) > MAX_STATUS_LIST_BYTES:
        raise _malformed(f"status list over {MAX_STATUS_LIST_BYTES} bytes")
    try:
        listed = _JSON.decode(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise _malformed("status list is not JSON") from error
    members = [value for name, value in listed if name == "entries"] if isinstance(listed, _Object) else []
    entries: dict[str, str] = {}
    for member in members:
        if not isinstance(member, _Object):
            raise _malformed("the entries of the status list are no object")
        for name, entry in member:
            serial = _spelled(name)
            entries[serial] = _stricter(entries.get(serial), _status(entry))
    if not members:
        raise _malformed("status list has no object of entries")
    unread = sum(_SERIAL.match(serial) is None for serial in entries)
    if 2 * unread > len(entries):
        raise _malformed(f"{unread} of {len(entries)} entries of the status list are not named by a serial number")
    return StatusList(MappingProxyType(entries), fetched_at, unread)


class _Object(list[tuple[str, object]]):
    """A JSON object as its members in order, repeated ones included."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_JSON: Final = JSONDecoder(object_pairs_hook=_Object, parse_constant=_no_constant)


def _spelled(name: str) -> str:
    """The one spelling under which a serial is kept and looked up."""
    spelled = name.strip().casefold().removeprefix("0x").lstrip("0")
    return spelled or ("0" if "0" in name else "")


def _status(entry: object) -> str:
    """What an entry says; the strictest where it says nothing, or says it twice."""
    statuses = [value for name, value in entry if name == "status"] if isinstance(entry, _Object) else [entry]
    merged: str | None = None
    for status in statuses:
        merged = _stricter(merged, status if isinstance(status, str) and status and status.isprintable() else REVOKED)
    return merged or REVOKED


def _stricter(one: str | None, other: str) -> str:
    return other if one is None or other.upper() == REVOKED else one


def _malformed(detail: str) -> EndorsementsUnavailable:
    return EndorsementsUnavailable(Reason.ENDORSEMENTS_MALFORMED, detail)
