"""Entrusting an app's keys to a stack, those of Play Integrity and of DeviceCheck, through the Admin API: sealed there,
and never read back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from bonafide.operator.admin_api import AdminCalls, segment
from bonafide.operator.errors import OperatorError

ACCOUNT: Final = "play-account"
"""The name of an app's service account; it has one."""
MAX_FILE_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSecret:
    """What may be shown of a secret: the secret itself is sealed."""

    app: str
    name: str
    kind: str
    created_at: int


@dataclass(frozen=True, slots=True)
class PlaySecretsOfApps:
    """What an operator may do with an app's secrets: add, list, remove. Every method raises
    :class:`~bonafide.operator.errors.OperatorError`, which never quotes one."""

    api: AdminCalls

    def add_keys(self, app: str, decryption_key: str, verification_key: str, *, why: str = "") -> StoredSecret:
        """Have one pair of response keys sealed, as the Play Console shows it. The same pair has the same name."""
        keys = {"decryption_key": decryption_key, "verification_key": verification_key}
        return StoredSecret(**self.api.call("POST", _path(app), {"response_keys": keys, "why": why}))

    def set_account(self, app: str, key_file: bytes, *, why: str = "") -> StoredSecret:
        """Have the service account that asks Google sealed, from Google's JSON key file; it replaces an earlier one."""
        try:
            text = key_file.decode("utf-8")
        except UnicodeDecodeError:
            raise OperatorError("The service account is not a JSON object.") from None
        return StoredSecret(**self.api.call("POST", _path(app), {"service_account": text, "why": why}))

    def set_device_check_key(
        self, app: str, p8_file: bytes, *, team_id: str, key_id: str, app_id_prefix: str = "", why: str = ""
    ) -> StoredSecret:
        """Have a key with Apple's service DeviceCheck sealed; it replaces an earlier one of the same prefix."""
        key = {
            "team_id": team_id,
            "key_id": key_id,
            "private_key": p8_file.decode("ascii", "replace"),
            "app_id_prefix": app_id_prefix,
        }
        return StoredSecret(**self.api.call("POST", _path(app), {"device_check_key": key, "why": why}))

    def list(self, app: str) -> tuple[StoredSecret, ...]:
        """What is stored for an app: names and times."""
        found: list[Any] = self.api.call("GET", _path(app))["secrets"]
        return tuple(StoredSecret(**one) for one in found)

    def remove(self, app: str, name: str, *, why: str = "") -> None:
        """Forget one of them. Functions notice within five minutes."""
        self.api.call("POST", f"{_path(app)}/{segment(name)}/remove", {"why": why})


def _path(app: str) -> str:
    return f"/admin/apps/{segment(app)}/secrets"
