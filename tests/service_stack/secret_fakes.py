"""Runtime secrets in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import release_secrets
from service.edge.gateway import Handler
from service.edge.http import Wiring, endpoint
from service.edge.signed_call import signed_members
from service.errors import Unavailable
from service.keys.kms import WrappingKey
from service.secrets.runtime_secret import RuntimeSecret, SecretSource, SecretState
from service.secrets.values import SecretValues, wrapped_value

from tests.service_stack.fakes import Switch


@dataclass
class Elsewhere:
    """:class:`service.secrets.values.Reference`: values by their ARN; ``read_count`` says how often it was asked."""

    values: dict[str, bytes] = field(default_factory=dict)
    read_count: int = 0

    def read(self, reference: str) -> bytes:
        self.read_count += 1
        if reference not in self.values:
            raise Unavailable("secretsmanager:GetSecretValue: AccessDeniedException")
        return self.values[reference]


@dataclass
class MemoryRuntimeSecrets(Switch):
    """:class:`service.secrets.table.RuntimeSecrets`."""

    rows: dict[tuple[str, str], RuntimeSecret] = field(default_factory=dict)
    elsewhere: Elsewhere = field(default_factory=Elsewhere)

    def find(self, app: str, name: str) -> RuntimeSecret | None:
        self.touch()
        return self.rows.get((app, name))

    def keep(self, wrapping: WrappingKey, app: str, name: str, value: bytes, *, at: int) -> RuntimeSecret:
        """Store the next version of a secret."""
        seen = self.rows.get((app, name))
        secret = RuntimeSecret(
            app=app,
            name=name,
            version=1 if seen is None else seen.version + 1,
            source=SecretSource.STORED,
            state=SecretState.ACTIVE,
            by="arn:aws:iam::000000000000:user/tests",
            at=at,
        )
        self.rows[app, name] = wrapped_value(secret, value, wrapping)
        return self.rows[app, name]


def secrets_endpoint(
    reporting: Callable[[], Wiring],
    secrets: MemoryRuntimeSecrets,
    wrapping: WrappingKey,
    issuer: str,
    *,
    clock: Callable[[], float],
) -> Handler:
    """POST /v1/secrets, wired as reports are, but for what only those do."""

    def wire(_env: object) -> Wiring:
        wiring = reporting()
        shared = {name: part for name, part in wiring.collaborators.items() if name != "rule_blocks"}
        values = SecretValues(wrapping, secrets.elsewhere, secrets.elsewhere)
        more = {"runtime_secrets": secrets, "values": values, "issuer": issuer}
        return replace(wiring, collaborators={**shared, **more})

    return endpoint(
        release_secrets.SecretsCall,
        release_secrets.release,
        wire,
        action="secret",
        members=signed_members(release_secrets.MAX_BODY_BYTES),
        clock=clock,
    )
