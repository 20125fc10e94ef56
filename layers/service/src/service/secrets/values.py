"""Values of runtime secrets: how they are wrapped for the table, and how they are read, through a short memory.

A value is in no exception, log line or ``repr``. Where an error of AWS's stands behind one of ours, its text names the
operation and the code.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.aws import parameters, secrets_manager, unavailable_on_failure
from service.errors import Unreadable
from service.keys.kms import WrappingKey
from service.secrets.runtime_secret import MAX_VALUE_BYTES, RuntimeSecret, SecretSource

KMS_BYTES: Final = 4_096
"""What KMS Encrypt takes. Larger values are sealed here, under a key that KMS seals."""

MEMORY: Final = 30.0
"""Seconds for which a process knows a value. A new version has a new place in the memory, so a rotation does not wait
for it; a value that changes elsewhere under the same version does."""

MOST_REMEMBERED: Final = 64

_NONCE_BYTES: Final = 12


def wrapped_value(secret: RuntimeSecret, value: bytes, wrapping: WrappingKey) -> RuntimeSecret:
    """``secret`` with ``value``, sealed. Raises :class:`~service.errors.Unavailable`."""
    if len(value) <= KMS_BYTES:
        return replace(secret, size=len(value), wrapped=wrapping.wrap(secret.kid, value))
    data_key, nonce = secrets.token_bytes(32), secrets.token_bytes(_NONCE_BYTES)
    sealed = nonce + AESGCM(data_key).encrypt(nonce, value, secret.kid.encode())
    return replace(secret, size=len(value), wrapped=sealed, data_key=wrapping.wrap(secret.kid, data_key))


def unwrapped_value(secret: RuntimeSecret, wrapping: WrappingKey) -> bytes:
    """The value of a stored secret. Raises :class:`~service.errors.Unavailable`."""
    if secret.wrapped is None:
        raise Unreadable("a row of runtime_secrets has no value")
    if secret.data_key is None:
        return wrapping.unwrap(secret.kid, secret.wrapped)
    data_key = wrapping.unwrap(secret.kid, secret.data_key)
    try:
        nonce, sealed = secret.wrapped[:_NONCE_BYTES], secret.wrapped[_NONCE_BYTES:]
        return AESGCM(data_key).decrypt(nonce, sealed, secret.kid.encode())
    except (InvalidTag, ValueError):
        raise Unreadable("a row of runtime_secrets cannot be opened") from None


class Reference(Protocol):
    """A service of AWS that keeps values."""

    def read(self, reference: str) -> bytes:
        """The value. Raises :class:`~service.errors.Unavailable`."""


@dataclass(frozen=True, slots=True)
class SecretsManagerValues:
    """:class:`Reference` to AWS Secrets Manager: the value that is current there.

    The client is made when a secret first refers to it: most stacks keep their values themselves, and a client costs
    each cold start."""

    def read(self, reference: str) -> bytes:
        with unavailable_on_failure("secretsmanager:GetSecretValue"):
            answer = secrets_manager().get_secret_value(SecretId=reference)
        text = answer.get("SecretString")
        return bytes(answer["SecretBinary"]) if text is None else str(text).encode()


@dataclass(frozen=True, slots=True)
class ParameterStoreValues:
    """:class:`Reference` to the parameter store of AWS Systems Manager."""

    def read(self, reference: str) -> bytes:
        with unavailable_on_failure("ssm:GetParameter"):
            answer = parameters().get_parameter(Name=reference, WithDecryption=True)
        return str(answer["Parameter"]["Value"]).encode()


@dataclass(frozen=True, slots=True)
class _Remembered:
    value: bytes = field(repr=False)
    until: float


@dataclass(slots=True)
class SecretValues:
    """The values of one process. Safe to share between threads."""

    wrapping: WrappingKey
    secrets_manager: Reference
    parameter_store: Reference
    _memory: OrderedDict[tuple[str, SecretSource], _Remembered] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def of(self, secret: RuntimeSecret, now: float) -> bytes:
        """The value of an active secret at ``now`` (Unix seconds). Raises :class:`~service.errors.Unavailable`."""
        place = (f"{secret.kid} {secret.at}", secret.source)
        with self._lock:
            known = self._memory.get(place)
        if known is not None and known.until - MEMORY <= now < known.until:
            return known.value
        value = self._read(secret)
        if not 0 < len(value) <= MAX_VALUE_BYTES:
            raise Unreadable("the value of a secret is empty or too large")
        with self._lock:
            self._memory[place] = _Remembered(value, now + MEMORY)
            while len(self._memory) > MOST_REMEMBERED:
                self._memory.popitem(last=False)
        return value

    def _read(self, secret: RuntimeSecret) -> bytes:
        if secret.source is SecretSource.STORED:
            return unwrapped_value(secret, self.wrapping)
        if secret.reference is None:
            raise Unreadable("a row of runtime_secrets names no value")
        if secret.source is SecretSource.SECRETS_MANAGER:
            return self.secrets_manager.read(secret.reference)
        return self.parameter_store.read(secret.reference)
