"""Google's decodeIntegrityToken, asked with a service account of the app's owner.

Sources: the discovery document of playintegrity.v1; RFC 7523 §2.1 (JWT bearer grant) for the access token. What Google
cannot answer is never trusted and never held against the device: it is :class:`PlayUnavailable`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import urlencode

import jwt
from attestation.android.play_integrity import read_decode_answer
from attestation.encoding.jose import read_json_object
from attestation.errors import MalformedEvidence, Reason, RejectedEvidence

from service.errors import Unavailable
from service.remembered import Moment
from service.vendors.outbound import Answer, Unreachable, check_url, exchange

SCOPE: Final = "https://www.googleapis.com/auth/playintegrity"
GOOGLE_TOKEN_URI: Final = "https://oauth2.googleapis.com/token"

TOKEN_TIMEOUT: Final = 2.0
DECODE_TIMEOUT: Final = 3.0
"""Seconds for each call, or what is left of the request."""

_MAX_ANSWER_BYTES: Final = 64 * 1024
_PACKAGE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)+\Z")
_MAX_PACKAGE: Final = 255
_ACCESS_TOKEN: Final = re.compile(r"[!-~]{1,4096}\Z")
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_REFUSED: Final = frozenset({403, 404})
_DEFAULT_PAUSE: Final = 60
_LONGEST_PAUSE: Final = 3600


class PlayUnavailable(Unavailable):
    """Google cannot or will not answer now. ``pause`` is how many seconds it wants to be left alone, if it said so;
    ``asked`` whether it may have decoded the token all the same, which it does once."""

    def __init__(self, what: str, pause: float | None = None, *, asked: bool = True) -> None:
        super().__init__(what)
        self.pause = pause
        self.asked = asked


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A service account that may call the Play Integrity API for the app: members of Google's JSON key file."""

    client_email: str
    private_key: str = field(repr=False)
    private_key_id: str | None = None
    token_uri: str = GOOGLE_TOKEN_URI

    @classmethod
    def read(cls, data: bytes) -> ServiceAccount:
        """Read Google's key file, or what :meth:`to_json` wrote. Raises :class:`ValueError` without quoting it."""
        try:
            members = read_json_object(data)
        except MalformedEvidence:
            raise ValueError("the service account is not a JSON object") from None
        texts = {name: members.get(name) for name in ("client_email", "private_key", "private_key_id", "token_uri")}
        given = {name: value for name, value in texts.items() if isinstance(value, str) and value}
        if not {"client_email", "private_key"} <= given.keys():
            raise ValueError("the service account lacks client_email or private_key")
        account = cls(**given)
        check_url(account.token_uri)
        account.assertion(0)  # proves that the key is an RSA key in PEM
        return account

    def to_json(self) -> bytes:
        """What is sealed: only the members that are used."""
        members = {
            "client_email": self.client_email,
            "private_key": self.private_key,
            "private_key_id": self.private_key_id,
            "token_uri": self.token_uri,
        }
        return json.dumps({name: value for name, value in members.items() if value is not None}).encode("utf-8")

    def assertion(self, now: float) -> str:
        """The grant: this account says that it wants an access token for :data:`SCOPE`, now."""
        claims = {
            "iss": self.client_email,
            "scope": SCOPE,
            "aud": self.token_uri,
            "iat": int(now),
            "exp": int(now) + 600,
        }
        headers = {"kid": self.private_key_id} if self.private_key_id else None
        try:
            return jwt.encode(claims, self.private_key, algorithm="RS256", headers=headers)
        except (jwt.InvalidKeyError, ValueError, TypeError):
            raise ValueError("the service account's private key is no RSA key in PEM") from None


class PlayDecoder(Protocol):
    """Opens standard tokens."""

    def decode(self, account: ServiceAccount, package: str, token: str, now: float) -> bytes:
        """Google's answer for ``token``, whole and readable.

        Raises :class:`MalformedEvidence` or :class:`RejectedEvidence` (``integrity-token-key``) for a token that Google
        does not open, and :class:`PlayUnavailable`.
        """


@dataclass(slots=True)
class GooglePlayDecoder:
    """:class:`PlayDecoder` over the network. ``endpoint`` is Google's, or a stand-in on the loopback."""

    endpoint: str
    _access: dict[str, tuple[str, Moment, float]] = field(default_factory=dict, init=False, repr=False)

    def decode(self, account: ServiceAccount, package: str, token: str, now: float) -> bytes:
        if len(package) > _MAX_PACKAGE or not _PACKAGE.match(package):
            # It would become part of an address.
            raise RejectedEvidence(Reason.APP_MISMATCH, "the package's name cannot be a Play package")
        access = self._access_token(account, now)
        answer = self._post(
            f"{self.endpoint.rstrip('/')}/v1/{package}:decodeIntegrityToken",
            json.dumps({"integrityToken": token}).encode("utf-8"),
            {"Content-Type": "application/json", "Authorization": f"Bearer {access}"},
            DECODE_TIMEOUT,
        )
        match answer.status:
            case 200:
                return _readable(answer.body)
            case 400:
                raise MalformedEvidence(Reason.ENCODING_INVALID, "Google cannot read the integrity token")
            case status if status in _REFUSED:
                raise RejectedEvidence(
                    Reason.INTEGRITY_TOKEN_KEY, f"Google does not open this token for this app (status {status})"
                )
            case 429:
                raise PlayUnavailable(
                    "play integrity: Google's quota is spent (status 429)", _pause(answer), asked=False
                )
            case status:
                if status == 401:  # revoked, or the clock went astray: the next call asks for another
                    self._access.pop(account.client_email, None)
                raise PlayUnavailable(f"play integrity: status {status}", asked=status != 401)

    def _access_token(self, account: ServiceAccount, now: float) -> str:
        known = self._access.get(account.client_email)
        if known is not None and known[1].age(now) < known[2]:
            return known[0]
        try:
            return self._fresh_access_token(account, now)
        except PlayUnavailable as error:
            error.asked = False  # this is before the token is shown
            raise

    def _fresh_access_token(self, account: ServiceAccount, now: float) -> str:
        form = {"grant_type": _GRANT, "assertion": account.assertion(now)}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self._post(account.token_uri, urlencode(form).encode("ascii"), headers, TOKEN_TIMEOUT)
        if answer.status != 200:
            raise PlayUnavailable(f"play integrity: no access token (status {answer.status})")
        try:
            members = read_json_object(answer.body)
        except MalformedEvidence:
            members = {}
        access, lifetime = members.get("access_token"), members.get("expires_in")
        if not isinstance(access, str) or not _ACCESS_TOKEN.match(access):
            raise PlayUnavailable("play integrity: the answer to the grant has no access token")
        seconds = lifetime if isinstance(lifetime, int) else 0
        obtained = (access, Moment.at(now), float(seconds - 60))
        self._access = {**dict(list(self._access.items())[-63:]), account.client_email: obtained}
        return access

    def _post(self, url: str, body: bytes, headers: dict[str, str], timeout: float) -> Answer:
        try:
            return exchange("POST", url, headers=headers, timeout=timeout, max_bytes=_MAX_ANSWER_BYTES, body=body)
        except Unreachable as error:
            raise PlayUnavailable(f"play integrity: {error}") from error


def _readable(body: bytes) -> bytes:
    try:
        read_decode_answer(body)
    except MalformedEvidence as error:
        # Google's answer, not the client's bytes.
        raise PlayUnavailable(f"play integrity: unreadable answer ({error.reason})") from error
    return body


def _pause(answer: Answer) -> float:
    seconds = answer.headers.get("retry-after", "")
    known = int(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 7 else _DEFAULT_PAUSE
    return float(min(max(known, 1), _LONGEST_PAUSE))
