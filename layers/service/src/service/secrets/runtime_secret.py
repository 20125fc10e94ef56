"""A runtime secret as the table has it: never its value in the clear."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final

MAX_VALUE_BYTES: Final = 64 * 1024
"""Largest value of a secret, wherever it is kept: what AWS Secrets Manager holds."""

SHARED: Final = "shared"
"""The folder of values that may be released to every app of the stack."""


def is_place_of(reference: str, app: str) -> bool:
    """Whether a value that is kept elsewhere may be a secret of ``app``: a folder in the path of its ARN is called as
    the app is, or :data:`SHARED`.

    The attack: who may set secrets of one app only, but name any value that the function can read, has another app's
    value released to an app of theirs.
    """
    folders = reference.rpartition(":")[2].split("/")[:-1]
    return app in folders or SHARED in folders


@unique
class SecretSource(StrEnum):
    """Where the value is: in the row, wrapped by KMS, or in another service of AWS, by reference."""

    STORED = "stored"
    SECRETS_MANAGER = "secrets-manager"
    PARAMETER_STORE = "parameter-store"


@unique
class SecretState(StrEnum):
    """A ``REVOKED`` secret is released no more; its row remains, so that versions never go back."""

    ACTIVE = "active"
    REVOKED = "revoked"
    PROPOSED = "proposed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSecret:
    """One version of the secret ``name`` of ``app``; ``version`` counts from 1 and grows with every new value.

    ``wrapped`` is a stored value, sealed by KMS itself, or under ``data_key`` where that is given, which KMS sealed.
    ``reference`` is the ARN or name of a value that is kept elsewhere. ``size`` is a stored value's, in bytes. ``by``
    (an ARN) and ``at`` (Unix seconds) say who brought it here.
    """

    app: str
    name: str
    version: int
    source: SecretSource
    state: SecretState
    by: str
    at: int
    size: int | None = None
    reference: str | None = None
    wrapped: bytes | None = field(default=None, repr=False)
    data_key: bytes | None = field(default=None, repr=False)

    @property
    def kid(self) -> str:
        """The name that KMS binds the value to: no value passes for another secret, version or app."""
        return value_kid(self.app, self.name, self.version)

    def to_record(self) -> dict[str, object]:
        """What operators see: everything but the value."""
        return {
            "app": self.app,
            "name": self.name,
            "version": self.version,
            "source": self.source.value,
            "state": self.state.value,
            "reference": self.reference,
            "size": self.size,
            "by": self.by,
            "at": self.at,
        }


def value_kid(app: str, name: str, version: int) -> str:
    """See :attr:`RuntimeSecret.kid`. The Admin API's role may seal under ``secret/…``, the releasing one's unseal."""
    return f"secret/{app}/{name}/{version}"
