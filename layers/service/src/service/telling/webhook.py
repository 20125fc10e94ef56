"""A webhook: where a team wants to be told of incidents, and what its attempts are signed with."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final, Literal
from urllib.parse import urlsplit

from service.fallback_modes import WebhookAddresses
from service.relay.addresses import is_internal, is_public

MOST_WEBHOOKS: Final = 16
MOST_APPS: Final = 64
NAME_PATTERN: Final = r"\A[a-z0-9][a-z0-9-]{0,31}\z"
FORMER_SECRET_SECONDS: Final = 86_400
"""For so long after a rotation an attempt is signed with the former secret, too."""

_HOST: Final = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]\Z")
_URL: Final = re.compile(r"[!-~]{1,2048}\Z")
_LOOPBACK: Final = "127.0.0.1"
_FIRST_FREE_PORT: Final = 1_024


def judge_of(addresses: WebhookAddresses) -> Callable[[str], bool]:
    """Judges each address that a name has, when the call is made."""
    return _public_or_internal if addresses is WebhookAddresses.PRIVATE else is_public


def _public_or_internal(address: str) -> bool:
    return is_public(address) or is_internal(address)


@dataclass(frozen=True, slots=True)
class Place:
    """An address, read: what a call needs. ``target`` is path and query, which may be a secret of the receiver's."""

    scheme: Literal["https", "http"]
    host: str
    port: int
    target: str = field(repr=False)

    @property
    def shown(self) -> str:
        """What operators, lists and the audit see: no path, since many receivers have their secret there."""
        port = "" if (self.scheme, self.port) == ("https", 443) else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}" + ("/..." if self.target != "/" else "")


def read_place(url: str, addresses: WebhookAddresses) -> Place:
    """The place that ``url`` names. Raises :class:`ValueError` with what it must be, and nothing of what it is."""
    try:
        parts = urlsplit(url if _URL.match(url) else "")
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.username is not None or "#" in url or parts.path.startswith("//") or "\\" in url:
        parts = urlsplit("")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme == "http" and parts.hostname == _LOOPBACK and port and addresses is WebhookAddresses.LOOPBACK:
        return Place("http", _LOOPBACK, port, target)
    plain = parts.scheme == "https" and _HOST.match(parts.hostname or "")
    if not plain or not (port in (None, 443) or (port is not None and port >= _FIRST_FREE_PORT)):
        raise ValueError(
            "must be an https address of a host name, without user name and fragment, at port 443 or one from 1024"
        )
    return Place("https", parts.hostname or "", port or 443, target)


@unique
class WebhookState(StrEnum):
    """A ``DISABLED`` one gets nothing: its receiver said that it is gone (410)."""

    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook as the table has it. ``uid`` tells it from an earlier one of its name; ``apps`` are those whose
    incidents it is told of, none for all. ``address`` and ``secret`` are sealed by KMS; so is ``former``, the secret
    before the last rotation, which signs until ``former_until``. ``by`` (an ARN) and ``at`` (Unix seconds) say who
    changed it last; ``revision`` counts changes.
    """

    name: str
    uid: str
    shown: str
    apps: tuple[str, ...]
    state: WebhookState
    because: str
    address: bytes = field(repr=False)
    secret: bytes = field(repr=False)
    former: bytes | None = field(default=None, repr=False)
    former_until: int | None = None
    by: str
    at: int
    revision: int

    def wants(self, app: str) -> bool:
        """Whether it is told of an incident of ``app``; one of all apps has no name, and concerns every app."""
        return not app or not self.apps or app in self.apps

    def to_record(self) -> dict[str, object]:
        """What operators see: no secret, and of the address no path."""
        return {
            "name": self.name,
            "url": self.shown,
            "apps": list(self.apps),
            "state": self.state.value,
            "because": self.because,
            "former_secret_until": self.former_until,
            "by": self.by,
            "at": self.at,
        }


def address_kid(uid: str) -> str:
    """The name that KMS binds a sealed address to."""
    return f"webhook/{uid}/address"


def secret_kid(uid: str) -> str:
    """The same for a secret: no value passes for another's, nor for an address."""
    return f"webhook/{uid}/secret"
