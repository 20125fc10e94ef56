"""Reading an app's reference values from its row, strictly: a row read only in part would let in what its owner
excluded.

``apple`` {app_ids, environments}, ``android`` {packages, signing_digests, verified_boot_keys, play_expected},
``harmony`` {bundle_names, app_ids, app_identifiers, signing_digests}; digests and boot keys are 64 lower-case
hexadecimal digits, ``play_expected`` is true or false.
Members that are not known here belong to a newer stack and stay unread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from attestation.reference_values import (
    AndroidReferenceValues,
    AppleReferenceValues,
    Environment,
    HarmonyReferenceValues,
    ReferenceValues,
)

from service.errors import Unavailable

_T = TypeVar("_T")

_APPLE_APP_ID: Final = re.compile(r"[A-Z0-9]{10}\.[A-Za-z0-9.-]{1,155}\Z")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)+\Z")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}\Z")
_VISIBLE: Final = re.compile(r"[!-~]{1,512}\Z")


class _Wrong(Exception):
    """Something that is not what it must be: the message names the place and the rule, never the value."""


def read_reference_values(members: object, where: str) -> ReferenceValues:
    """The reference values in ``members``. ``where`` is how an operator knows the row.

    Raises :class:`~service.errors.Unavailable`, which names the member that is wrong: it is ours to correct, and no
    client's fault.
    """
    try:
        platforms = _object(members, "reference_values")
        return ReferenceValues(
            apple=_optional(platforms, "apple", _apple),
            android=_optional(platforms, "android", _android),
            harmony=_optional(platforms, "harmony", _harmony),
        )
    except _Wrong as error:
        raise Unavailable(f"{where} is registered wrongly: {error}") from None


def _apple(members: Mapping[str, object], where: str) -> AppleReferenceValues:
    return AppleReferenceValues(
        app_ids=_texts(members, "app_ids", where, _APPLE_APP_ID, "<team id>.<bundle id>", least=1),
        environments=frozenset(_environment(name, where) for name in _texts(members, "environments", where, least=1)),
    )


def _android(members: Mapping[str, object], where: str) -> AndroidReferenceValues:
    return AndroidReferenceValues(
        packages=_texts(members, "packages", where, _NAME, "an application id", least=1),
        signing_digests=_digests(members, "signing_digests", where, least=1),
        verified_boot_keys=_digests(members, "verified_boot_keys", where),
        play_expected=_flag(members, "play_expected", where),
    )


def _harmony(members: Mapping[str, object], where: str) -> HarmonyReferenceValues:
    values = HarmonyReferenceValues(
        bundle_names=_texts(members, "bundle_names", where, _NAME, "a bundle name", least=1),
        app_ids=_texts(members, "app_ids", where),
        app_identifiers=_texts(members, "app_identifiers", where),
        signing_digests=_digests(members, "signing_digests", where),
    )
    if not values.app_ids and not values.app_identifiers:
        # Any app can use a bundle name.
        raise _Wrong(f"{where} needs app_ids or app_identifiers")
    return values


def _optional(platforms: Mapping[str, object], name: str, read: Callable[[Mapping[str, object], str], _T]) -> _T | None:
    where = f"reference_values.{name}"
    return read(_object(platforms[name], where), where) if name in platforms else None


def _object(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _Wrong(f"{where} is no object")
    return value


def _flag(members: Mapping[str, object], name: str, where: str) -> bool:
    value = members.get(name, False)
    if not isinstance(value, bool):
        raise _Wrong(f"{where}.{name} is neither true nor false")
    return value


def _texts(
    members: Mapping[str, object],
    name: str,
    where: str,
    pattern: re.Pattern[str] = _VISIBLE,
    rule: str = "printable text without spaces",
    *,
    least: int = 0,
) -> tuple[str, ...]:
    values = members.get(name, ())
    if not isinstance(values, list | tuple | set):
        raise _Wrong(f"{where}.{name} is no list")
    if len(values) < least:
        raise _Wrong(f"{where}.{name} is empty")
    for index, value in enumerate(values):
        if not isinstance(value, str) or not pattern.match(value):
            raise _Wrong(f"{where}.{name}[{index}] is not {rule}")
    return tuple(values)


def _digests(members: Mapping[str, object], name: str, where: str, *, least: int = 0) -> frozenset[bytes]:
    texts = _texts(members, name, where, _DIGEST, "64 lower-case hexadecimal digits", least=least)
    return frozenset(map(bytes.fromhex, texts))


def _environment(name: str, where: str) -> Environment:
    if name not in (Environment.PRODUCTION, Environment.DEVELOPMENT):
        raise _Wrong(f"{where}.environments names an unknown one")
    return Environment(name)
