"""Upstreams' keys: in AWS Secrets Manager, in memory for a minute, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from service.aws import unavailable_on_failure
from service.errors import Unavailable
from service.relay.key_filter import KeyFilter
from service.relay.upstreams import MOST_UPSTREAMS
from service.remembered import Remembered, RememberedByName

_FRESH: Final = 60.0
_FIRST: Final = 120.0


@dataclass(frozen=True, slots=True)
class Credential:
    """An upstream's key, and what finds it in an answer."""

    key: str = field(repr=False)
    filter: KeyFilter = field(repr=False)


class Credentials(Protocol):
    """Where upstreams' keys are."""

    def of(self, upstream: str, now: float) -> Credential:
        """The key of an upstream. Raises :class:`~service.errors.Unavailable`."""


@dataclass(slots=True)
class SecretsManagerCredentials:
    """:class:`Credentials` in secrets whose names are ``prefix`` and the upstream's. A new value (a rotation) is used
    within two minutes."""

    client: Any = field(repr=False)
    prefix: str
    _known: RememberedByName[Credential] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._known = RememberedByName(make=self._remembered, most=MOST_UPSTREAMS)

    def of(self, upstream: str, now: float) -> Credential:
        return self._known.current(upstream, now)

    def _remembered(self, upstream: str) -> Remembered[Credential]:
        def read(known: Credential | None, _now: float) -> Credential:
            with unavailable_on_failure("secretsmanager:GetSecretValue"):
                answer = self.client.get_secret_value(SecretId=f"{self.prefix}{upstream}")
            key = str(answer.get("SecretString") or "").strip()
            if known is not None and known.key == key:
                return known
            try:
                return Credential(key, KeyFilter(key))
            except ValueError as error:  # which says what a key must be, and nothing of this one
                raise Unavailable(f"secret of upstream {upstream}: {error}") from None

        return Remembered(read=read, fresh=_FRESH, first=_FIRST)
