"""Opens an installation's secrets, by what its verified client policy says and by nothing that the answer says.

HPKE opens whatever ``info`` it is given. So the name is the one that was asked for, the least version the client
policy's, and issuer, app and key are the app's own. An answer can only bring a version that is new enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from attestation.sealing.sealed_secret import CannotOpen, SealedSecret, SecretBinding, open_sealed
from bonafide_tokens.errors import Malformed
from bonafide_tokens.jose import b64url_decode

from devkit.devices.app_instance import AppInstance


class SecretRefused(Exception):
    """The app does not take a secret that came. ``why`` is ``not-in-policy``, ``older``, ``cannot-open`` or
    ``unreadable``."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.why = why


@dataclass(slots=True)
class SecretKeeper:
    """The secrets of ``installation``, whose tokens are of ``issuer``. ``versions`` are those that were opened."""

    installation: AppInstance
    issuer: str
    versions: dict[str, int] = field(default_factory=dict)

    def due(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those of ``names`` that the policy names, and that are missing here or older than it says."""
        least = {name: self._least(name) for name in names}
        return tuple(name for name, at in least.items() if at is not None and self.versions.get(name, 0) < at)

    def open(self, name: str, answer: Mapping[str, object]) -> bytes:
        """The value of ``name`` from the body of an answer. Raises :class:`SecretRefused`."""
        least = self._least(name)
        if least is None:
            raise SecretRefused(name, "not-in-policy")
        secrets = answer.get("secrets")
        found = [one for one in secrets if _named(one, name)] if isinstance(secrets, list) else []
        if len(found) != 1 or self.installation.sealing_key is None:
            raise SecretRefused(name, "unreadable")
        version, enc, ciphertext = (found[0].get(member) for member in ("version", "enc", "ciphertext"))
        if type(version) is not int or not isinstance(enc, str) or not isinstance(ciphertext, str) or version < 1:
            raise SecretRefused(name, "unreadable")
        if version < max(least, self.versions.get(name, 0)):
            raise SecretRefused(name, "older")
        binding = SecretBinding(self.issuer, self.installation.app, self.installation.bonafide_key_id, name, version)
        try:
            sealed = SealedSecret(b64url_decode(enc), b64url_decode(ciphertext))
            value = open_sealed(sealed, sealing_key=self.installation.sealing_key, binding=binding)
        except (CannotOpen, Malformed, ValueError):
            raise SecretRefused(name, "cannot-open") from None
        self.versions[name] = version
        return value

    def _least(self, name: str) -> int | None:
        policy = self.installation.policy
        return None if policy is None else policy.least_version(name)


def _named(secret: object, name: str) -> bool:
    return isinstance(secret, Mapping) and secret.get("name") == name
