"""Android devices as data: what the genuine ones of each schema version write, and where they deviate.

Every deviation stands for devices named in the public record; a verifier that refuses one refuses real phones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from devkit.devices.authority.android import FACTORY, RKP, STRONGBOX, TEE


@unique
class Quirk(StrEnum):
    """One deviation of genuine devices."""

    BATCH_NOT_CA = "batch-not-ca"  # Sony, Huawei, Pixel 2, Galaxy S9
    UNNAMED_BATCH = "unnamed-batch"  # Galaxy S9, Sony: the batch does not say which environment it was issued to
    NULL_PARAMETERS = "null-parameters"  # Titan M: ecdsa-with-SHA256 with a NULL
    BER_TRUE = "ber-true"  # Pixel 3 StrongBox, Xiaomi 15T Pro: TRUE as 01, in rootOfTrust and in the critical flag
    UNSORTED_SETS = "unsorted-sets"  # Huawei
    UNSORTED_TAGS = "unsorted-tags"  # seen on Android 16
    BAD_CRL_POINTER = "bad-crl-pointer"  # Huawei: the value is the single octet 00
    SHORT_LEAF_ISSUER = "short-leaf-issuer"  # AUM-L29, POCOPHONE F1: the issuer's title is missing
    NO_SIZE = "no-size"  # Titan M of 2018: neither size nor curve
    CREATED_IN_HARDWARE = "created-in-hardware"  # Huawei: the creation time stands in the other list
    CREATED_IN_MICROSECONDS = "created-in-microseconds"
    CLOCK_UNSET = "clock-unset"  # a creation time of 1970
    ODD_LEAF_DATES = "odd-leaf-dates"  # 1970 to 1969
    EARLY_GENERALIZED_TIME = "early-generalized-time"  # GeneralizedTime before 2050
    ROOT_OMITTED = "root-omitted"
    SHORT_PATCH_LEVELS = "short-patch-levels"  # YYYYMM where YYYYMMDD belongs, and 0
    EMPTY_BOOT_KEY = "empty-boot-key"
    UNKNOWN_TAG = "unknown-tag"  # whatever a schema after 500 brings
    VENDOR_EXTENSION = "vendor-extension"  # Samsung Knox
    TRAILING_OCTETS = "trailing-octets"  # some exports


@dataclass(frozen=True, slots=True, kw_only=True)
class AndroidRelease:
    """One device model on one release. ``os_patch`` (YYYYMM) is ``None`` for "last month"; ``os_version`` is Android's
    number for it; ``environment`` is what the chain says the key lives in."""

    model: str
    os: str
    os_version: int
    schema: int
    keymint: int
    provisioning: str
    environment: str = TEE
    os_patch: int | None = None
    quirks: frozenset[Quirk] = frozenset()


def _release(
    model: str, os: str, number: int, schema: tuple[int, int], line: tuple[str, str], *quirks: Quirk, patch: int | None
) -> AndroidRelease:
    return AndroidRelease(
        model=model,
        os=os,
        os_version=number,
        schema=schema[0],
        keymint=schema[1],
        provisioning=line[0],
        environment=line[1],
        os_patch=patch,
        quirks=frozenset(quirks),
    )


_FACTORY, _FACTORY_STRONGBOX = (FACTORY, TEE), (FACTORY, STRONGBOX)
_RKP, _RKP_STRONGBOX = (RKP, TEE), (RKP, STRONGBOX)
_Q: Final = Quirk

RELEASES: Final[Mapping[str, AndroidRelease]] = MappingProxyType(
    {
        "galaxy-s9": _release(
            "SM-G960F", "Android 8.0", 80000, (1, 2), _FACTORY,
            _Q.BATCH_NOT_CA, _Q.UNNAMED_BATCH, _Q.VENDOR_EXTENSION, patch=201809,
        ),
        "huawei-p20": _release(
            "EML-L29", "Android 9", 90000, (2, 3), _FACTORY,
            _Q.BATCH_NOT_CA, _Q.UNSORTED_SETS, _Q.BAD_CRL_POINTER, _Q.CREATED_IN_HARDWARE, patch=201908,
        ),
        "poco-f1": _release(
            "POCOPHONE F1", "Android 8.1", 80100, (2, 3), _FACTORY,
            _Q.SHORT_LEAF_ISSUER, _Q.CREATED_IN_MICROSECONDS, patch=201810,
        ),
        "pixel-3-strongbox": _release(
            "Pixel 3", "Android 9", 90000, (3, 4), _FACTORY_STRONGBOX,
            _Q.NULL_PARAMETERS, _Q.BER_TRUE, _Q.NO_SIZE, _Q.CLOCK_UNSET, _Q.SHORT_PATCH_LEVELS, patch=201811,
        ),
        "galaxy-note10": _release(
            "SM-N970U", "Android 9", 90000, (3, 4), _FACTORY, _Q.SHORT_PATCH_LEVELS, _Q.ODD_LEAF_DATES, patch=201909
        ),
        "pixel-5": _release(
            "Pixel 5", "Android 12", 120000, (4, 41), _FACTORY, _Q.EARLY_GENERALIZED_TIME, patch=202202
        ),
        "pixel-6-android-12": _release("Pixel 6", "Android 12", 120000, (100, 100), _RKP, patch=202205),
        "pixel-6": _release("Pixel 6", "Android 13", 130000, (200, 200), _RKP, _Q.ROOT_OMITTED, patch=202306),
        "galaxy-s24": _release("SM-S921B", "Android 14", 140000, (300, 300), _RKP, patch=None),
        "pixel-9": _release("Pixel 9", "Android 16", 160000, (400, 400), _RKP, _Q.UNSORTED_TAGS, patch=None),
        "pixel-9-strongbox": _release("Pixel 9 Pro", "Android 16", 160000, (300, 300), _RKP_STRONGBOX, patch=None),
        "pixel-10": _release("Pixel 10", "Android 17", 170000, (500, 500), _RKP, _Q.UNKNOWN_TAG, patch=None),
    }
)  # fmt: skip
"""Devices by name, the oldest schema first."""
