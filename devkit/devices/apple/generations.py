"""What tells the evidence of one Apple release from another's, as data.

Values are those that genuine certificates of each release show; the tags of extensions 8.5 and 8.7 are
undocumented by Apple and differ between releases, which is why verifiers must treat every one as optional.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from devkit.devices.authority.der_writer import boolean, explicit, integer, octet_string, sequence, utf8_string

DAY: Final = 86_400.0

APP_ID_TAG: Final = 1204
"""In extension 8.5: the full app id in clear. :class:`AppleGeneration` marks its place with ``APP_ID_HERE``."""
APP_ID_HERE: Final = b""

Properties = Mapping[int, int | bytes]
"""Context tag → INTEGER or OCTET STRING, in the order in which the certificate lists them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppleGeneration:
    """One release of an Apple operating system.

    ``key_properties`` fills extension 8.5, ``os_information`` 8.7, ``access_control`` the OCTET STRING of 8.6;
    ``leaf_lifetime`` is in seconds from a day before the attestation; ``extended_key_usage`` tells whether the leaf
    names Apple's EKU (since January 2026); ``extension_map`` whether authenticator data ends with a CBOR map (since
    iOS 27), whose category is then a little-endian byte string or, with ``category_as_integer``, an integer.
    """

    name: str
    os: str
    model: str
    leaf_lifetime: float
    key_properties: Properties
    os_information: Properties
    extended_key_usage: bool = False
    access_control: bytes | None = None
    extension_map: bool = False
    category_as_integer: bool = False


def encode_properties(properties: Properties, app_id: str) -> bytes:
    """The value of extension 8.5 or 8.7: a SEQUENCE of EXPLICIT context tags."""
    return sequence(
        *(
            explicit(tag, integer(value) if isinstance(value, int) else octet_string(value or app_id.encode("utf-8")))
            for tag, value in properties.items()
        )
    )


def _properties_before_2026(*, flag_1202: int, marker: bytes = b"sks ", last: int = 1210) -> Properties:
    # 1211 appeared with iOS 17; early betas of iOS 14.3 spelled the marker the other way round.
    tail = {tag: 0 for tag in (1207, 1209, 1210, 1211) if tag <= last}
    return {4: 10, 1200: 1, 1201: 0, 1202: flag_1202, 1203: 1, APP_ID_TAG: APP_ID_HERE, 5: marker, 1206: 5, **tail}


def _properties_of_2026() -> Properties:
    zero = dict.fromkeys((1207, 1209, 1210, 1211, 10), 0)
    return {4: 10, **dict.fromkeys((1200, 1201, 1202, 1203), 0), APP_ID_TAG: APP_ID_HERE, 1206: 4, **zero}


def _os_information(
    version: str, build: str, kernel: str, *, platform: bytes = b"iphoneos", full: bool = True
) -> Properties:
    number, release, darwin = version.encode(), build.encode(), kernel.encode()
    if not full:  # iOS 17
        return {1400: number, 1104: 0xFFFFFFFF, 1403: release, 1405: number, 1406: 0, 1420: darwin}
    flags = {tag: int(tag == 1412) for tag in range(1406, 1414)}
    return {
        1400: number,
        1104: 0xFFFFFFFE,
        1401: b"1.0.198",
        1403: release,
        1404: number,
        1405: number,
        **flags,
        **dict.fromkeys((1418, 1419, 1420), darwin),
        1026: platform,
    }


def _may(operation: str, *condition: bytes) -> bytes:
    return sequence(utf8_string(operation), *(condition or (explicit(1, boolean(True)),)))


def _access_control(*operations: bytes) -> bytes:
    return sequence(utf8_string("11"), sequence(*operations))


IPHONE_ACCESS_CONTROL: Final = _access_control(*map(_may, ("okd", "oa", "osgn", "odel", "ock")))
"""Extension 8.6 of iPhones since iOS 26: the operations that the key's access control list permits."""

MAC_FULL_SECURITY_ACCESS_CONTROL: Final = _access_control(
    _may("ok"),
    _may("oa"),
    _may("odel"),
    _may("osgn", explicit(0, utf8_string("rsec")), sequence(explicit(6, integer(1)))),
)
"""Extension 8.6 of a Mac in Full Security with System Integrity Protection: the one list Apple says to trust."""

MAC_REDUCED_SECURITY_ACCESS_CONTROL: Final = _access_control(*map(_may, ("ok", "oa", "odel", "osgn")))
"""The same without the Secure Boot condition on signing: a Mac whose owner lowered its security."""

_IOS_26: Final = AppleGeneration(
    name="ios-26",
    os="iOS 26.2",
    model="iPhone18,1",
    leaf_lifetime=3 * DAY,
    key_properties=_properties_of_2026(),
    os_information=_os_information("26.2", "23C55", "23.3.55.0.0,0"),
    extended_key_usage=True,
    access_control=IPHONE_ACCESS_CONTROL,
)
_IOS_27: Final = replace(
    _IOS_26,
    name="ios-27",
    os="iOS 27.0",
    model="iPhone18,2",
    os_information=_os_information("27.0", "24A325", "24.1.325.0.2,0"),
    extension_map=True,
)
_ALL: Final = (
    AppleGeneration(
        name="ios-14",
        os="iOS 14.2",
        model="iPhone12,1",
        leaf_lifetime=3 * DAY,
        key_properties=_properties_before_2026(flag_1202=0, marker=b" sks"),
        os_information={1400: b"14.2"},
    ),
    AppleGeneration(
        name="ios-16",
        os="iOS 16.2",
        model="iPhone14,5",
        leaf_lifetime=257 * DAY,
        key_properties=_properties_before_2026(flag_1202=1),
        os_information={1400: b"16.2"},
    ),
    AppleGeneration(
        name="ios-17",
        os="iOS 17.5.1",
        model="iPhone15,4",
        leaf_lifetime=208.5 * DAY,
        key_properties=_properties_before_2026(flag_1202=1, last=1211),
        os_information=_os_information("17.5.1", "21F90", "21.6.90.0.0,0", full=False),
    ),
    AppleGeneration(
        name="ios-18",
        os="iOS 18.2",
        model="iPhone17,1",
        leaf_lifetime=345 * DAY,
        key_properties=_properties_before_2026(flag_1202=1, last=1211),
        os_information=_os_information("18.2", "22C150", "22.3.150.0.0,0"),
    ),
    AppleGeneration(
        name="ipados-18",
        os="iPadOS 18.4",
        model="iPad14,3",
        leaf_lifetime=3 * DAY,
        key_properties=_properties_before_2026(flag_1202=1, last=1211),
        os_information=_os_information("18.4", "22E240", "22.5.240.0.0,0"),
    ),
    _IOS_26,
    _IOS_27,
    replace(
        _IOS_27,
        name="ios-27-integer-category",
        os="iOS 27.1",
        model="iPhone19,1",
        os_information=_os_information("27.1", "24B80", "24.2.80.0.0,0"),
        category_as_integer=True,
    ),
    replace(
        _IOS_27,
        name="macos-27",
        os="macOS 27.0",
        model="Mac16,1",
        os_information=_os_information("27.0", "26A320", "26.1.320.0.0,0", platform=b"macosx"),
        access_control=MAC_FULL_SECURITY_ACCESS_CONTROL,
    ),
)

GENERATIONS: Final[Mapping[str, AppleGeneration]] = {generation.name: generation for generation in _ALL}
"""Every release that a software iPhone can be, by name."""
