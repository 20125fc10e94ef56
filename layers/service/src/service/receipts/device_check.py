"""A DeviceCheck key of the app's owner, and the tokens that it signs for Apple.

Source: Apple, "Assessing fraud risk" ("the same procedure you use to create a provider authentication token for the
Apple Push Notification service"), "Establishing a token-based connection to APNs": a JWT by ES256 with ``kid``, ``iss``
and ``iat``, made anew no oftener than every 20 minutes and used for no longer than an hour.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from attestation.encoding.jose import read_json_object
from attestation.errors import MalformedEvidence
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from service.errors import Unavailable
from service.keys.kms import WrappingKey
from service.remembered import Moment, Remembered, RememberedByName
from service.vendors.app_secrets import AppSecrets, SecretKind

TOKEN_SECONDS: Final = 1200.0
"""For how long a token is used."""
MEMORY: Final = 300.0
"""Seconds that a process goes by an app's keys: a new one is used after that."""

_FRESH: Final = 240.0
_MAX_APPS: Final = 256
_MAX_TOKENS: Final = 64
_TEN: Final = re.compile(r"[A-Z0-9]{10}\Z", re.ASCII)
_MEMBERS: Final = ("team_id", "key_id", "private_key", "app_id_prefix")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCheckKey:
    """A private key with the service DeviceCheck, of the team ``team_id``. ``app_id_prefix`` is what the app's ids
    begin with: the team's id, but for apps from before 2011."""

    team_id: str
    key_id: str
    private_key: str = field(repr=False)
    app_id_prefix: str

    @classmethod
    def read(cls, data: bytes) -> DeviceCheckKey:
        """Read what :meth:`to_json` wrote, or the same from an operator. Raises :class:`ValueError` without quoting
        it."""
        try:
            members = read_json_object(data)
        except MalformedEvidence:
            raise ValueError("the DeviceCheck key is not a JSON object") from None
        found: dict[str, Any] = {name: members.get(name) for name in _MEMBERS}
        found["app_id_prefix"] = found["app_id_prefix"] or found["team_id"]
        for name, what in (("team_id", "team"), ("key_id", "key"), ("app_id_prefix", "app id prefix")):
            if not isinstance(found[name], str) or not _TEN.match(found[name]):
                raise ValueError(f"the {what} is not ten capital letters and digits, as Apple writes it")
        key = cls(**{**found, "private_key": str(found["private_key"] or "")})
        key.token(0)  # proves that the key is one
        return key

    def to_json(self) -> bytes:
        """What is sealed."""
        return json.dumps({name: getattr(self, name) for name in _MEMBERS}).encode("ascii")

    def token(self, now: float) -> str:
        """A token of this moment. Raises :class:`ValueError` for a key that is no P-256 key."""
        try:
            private = load_pem_private_key(self.private_key.encode("utf-8", "surrogatepass"), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            private = None
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
            raise ValueError("the DeviceCheck key is no P-256 key in PEM, as in Apple's .p8 file")  # noqa: TRY004 - a text
        claims = {"iss": self.team_id, "iat": int(now)}
        return jwt.encode(claims, private, algorithm="ES256", headers={"kid": self.key_id})


def secret_name(app_id_prefix: str) -> str:
    """The name of the secret: an app has one for each prefix of its ids."""
    return f"device-check-{app_id_prefix.lower()}"


@dataclass(slots=True)
class DeviceCheckKeys:
    """The keys by app, unwrapped when first asked for. Safe to share between threads."""

    table: AppSecrets
    wrapping: WrappingKey
    _by_app: RememberedByName[tuple[DeviceCheckKey, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        def remembered(app: str) -> Remembered[tuple[DeviceCheckKey, ...]]:
            return Remembered(read=lambda _known, _now: self._read(app), fresh=_FRESH, first=MEMORY)

        self._by_app = RememberedByName(make=remembered, most=_MAX_APPS)

    def of(self, app: str, now: float) -> tuple[DeviceCheckKey, ...]:
        """The keys of ``app``. Raises :class:`~service.errors.Unavailable`."""
        return self._by_app.current(app, now)

    def _read(self, app: str) -> tuple[DeviceCheckKey, ...]:
        rows = [row for row in self.table.of(app) if row.kind is SecretKind.DEVICE_CHECK_KEY]
        try:
            return tuple(DeviceCheckKey.read(self.wrapping.unwrap(row.kid, row.wrapped)) for row in rows)
        except ValueError as error:
            raise Unavailable(f"app_secrets of {app}: {error}") from error


@dataclass(slots=True)
class Tokens:
    """The tokens of one process, each used for :data:`TOKEN_SECONDS`."""

    _made: dict[tuple[str, str], tuple[str, Moment]] = field(default_factory=dict, init=False, repr=False)

    def of(self, key: DeviceCheckKey, now: float) -> str:
        """A token by ``key``, this one or the last."""
        name = (key.team_id, key.key_id)
        known = self._made.get(name)
        if known is not None and now - known[1].wall >= 0 and known[1].age(now) < TOKEN_SECONDS:
            return known[0]
        made = key.token(now)
        self._made = {**dict(list(self._made.items())[1 - _MAX_TOKENS :]), name: (made, Moment.at(now))}
        return made

    def forget(self, key: DeviceCheckKey) -> None:
        """Make another the next time: Apple did not take this one."""
        self._made.pop((key.team_id, key.key_id), None)
