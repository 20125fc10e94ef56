"""Client data: the JSON that the app writes, and that every piece of evidence in a request binds by its SHA-256.

It travels as the exact bytes; nothing is canonicalised. What it *says* (build, model, signals) is the app's own
word: it can lower trust, never raise it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeVar

from bonafide_tokens.errors import Malformed
from bonafide_tokens.jose import read_json_object

from attestation.encoding.jose import EcPublicKey, public_key_from_jwk
from attestation.errors import MalformedEvidence, Reason

MAX_CLIENT_DATA_BYTES: Final = 16 * 1024
MAX_SIGNALS: Final = 64
MAX_MEASUREMENTS: Final = 256
MAX_BUILD: Final = 64
_MAX_TEXT: Final = 256
# Lone surrogates, which JSON can spell (\ud800) and no encoder, database or log takes; and controls, which no genuine
# text here has and a terminal obeys.
_UNFIT: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Signal:
    """One threat the app noticed about itself or its device: a stable name (``debugger``, ``hooking``,
    ``memory-dump`` …) and, optionally, what was seen."""

    name: str
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientData:
    """Parsed client data. ``digest`` is SHA-256 over the exact bytes, the value that evidence binds.

    ``challenge`` is the sealed challenge as issued; ``request_key`` the P-256 key that will sign proofs;
    ``measurements`` maps a part of the app to its SHA-256 in lower-case hex; ``client_policy_version`` is the
    version the app enforces now (0: none yet). ``sealing_key`` is the P-256 agreement key that its secrets shall be
    sealed to, ``None`` to leave it as it is.
    """

    digest: bytes
    challenge: str
    request_key: EcPublicKey
    sealing_key: EcPublicKey | None = None
    app_build: str | None = None
    os: str | None = None
    model: str | None = None
    measurements: Mapping[str, str]
    signals: tuple[Signal, ...] = ()
    client_policy_version: int = 0


def parse_client_data(data: bytes) -> ClientData:
    """Read client data.

    Unknown members are ignored, so that an older stack serves newer apps. Raises :class:`MalformedEvidence`
    (``client-data-invalid``, ``evidence-too-large`` or ``key-unreadable``) for anything else that is not as
    documented: not JSON in UTF-8, a duplicated member, a wrong type, a text over 256 characters or with control
    characters or lone surrogates in it, an ``app_build`` of more than 64 characters or of unprintable ones. An empty
    ``app_build`` is none.
    """
    if len(data) > MAX_CLIENT_DATA_BYTES:
        raise MalformedEvidence(Reason.EVIDENCE_TOO_LARGE, f"client data over {MAX_CLIENT_DATA_BYTES} bytes")
    try:
        members = read_json_object(data)
    except Malformed as error:
        raise _invalid(f"client data is {error.detail}") from error
    challenge = _member(members, "challenge", str)
    request_key = _member(members, "request_key", dict)
    sealing_key = _member(members, "sealing_key", dict)
    if challenge is None or request_key is None:
        raise _invalid("client data lacks challenge or request_key")
    version = _member(members, "client_policy_version", int)
    if version is not None and not 0 <= version < 2**53:
        raise _invalid("client_policy_version is not a version number")
    signing = public_key_from_jwk(request_key)
    sealing = None if sealing_key is None else public_key_from_jwk(sealing_key)
    if sealing is not None and sealing.point == signing.point:
        raise _invalid("one key signs proofs and opens secrets")
    return ClientData(
        digest=sha256(data).digest(),
        challenge=_short(challenge),
        request_key=signing,
        sealing_key=sealing,
        app_build=_build(members),
        os=_text(members, "os"),
        model=_text(members, "model"),
        measurements=_measurements(_member(members, "measurements", dict) or {}),
        signals=parse_signals(_member(members, "signals", list) or []),
        client_policy_version=version or 0,
    )


def _invalid(detail: str) -> MalformedEvidence:
    return MalformedEvidence(Reason.CLIENT_DATA_INVALID, detail)


def _member(members: Mapping[str, object], name: str, kind: type[_T]) -> _T | None:
    value = members.get(name)
    if value is None:
        return None
    # bool is an int to Python, never to JSON.
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _invalid(f"client data member {name} has the wrong type")
    return value


def _short(text: str) -> str:
    if len(text) > _MAX_TEXT:
        raise _invalid(f"a text in client data is longer than {_MAX_TEXT} characters")
    return text


def _fit(text: str) -> str:
    if _UNFIT.search(text):
        raise _invalid("a text in client data has control characters or lone surrogates")
    return _short(text)


def _text(members: Mapping[str, object], name: str) -> str | None:
    value = _member(members, name, str)
    return None if value is None else _fit(value)


def _build(members: Mapping[str, object]) -> str | None:
    """It becomes part of a database key (1,024 bytes at most) and of the token."""
    build = _text(members, "app_build")
    if build is not None and (len(build) > MAX_BUILD or not build.isprintable()):
        raise _invalid(f"app_build is not up to {MAX_BUILD} printable characters")
    return build or None


def _measurements(members: Mapping[str, object]) -> dict[str, str]:
    if len(members) > MAX_MEASUREMENTS:
        raise _invalid(f"more than {MAX_MEASUREMENTS} measurements")
    measured = {}
    for name, value in members.items():
        if not isinstance(value, str) or len(value) != 64 or not set(value) <= set("0123456789abcdef"):
            raise _invalid("a measurement is not SHA-256 in lower-case hex")
        measured[_fit(name)] = value
    return measured


def parse_signals(items: Sequence[object]) -> tuple[Signal, ...]:
    """Signals as client data spells them: names, or objects with ``name`` and, if something was seen, ``detail``.

    Raises :class:`MalformedEvidence` (``client-data-invalid``).
    """
    if len(items) > MAX_SIGNALS:
        raise _invalid(f"more than {MAX_SIGNALS} signals")
    signals = []
    for item in items:
        members: Mapping[str, object] = item if isinstance(item, dict) else {"name": item}
        name = _text(members, "name")
        if not name:
            raise _invalid("a signal has no name")
        signals.append(Signal(name, _text(members, "detail")))
    return tuple(signals)
