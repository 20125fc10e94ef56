"""Entrusting an app's Play Integrity keys to a stack: sealed by KMS on the way in, and never read back by operators."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from attestation.android.play_token import play_integrity_keys
from service.errors import Unavailable
from service.keys.kms import KmsWrappingKey
from service.vendors.app_secrets import AppSecret, DynamoDBAppSecrets, SecretKind, secret_kid
from service.vendors.play_decoder import ServiceAccount
from service.vendors.play_integrity import response_keys_secret

from bonafide.operator.deployment import Deployment
from bonafide.operator.errors import OperatorError
from bonafide.operator.registration import Registrations

ACCOUNT: Final = "play-account"
"""The name of an app's service account; it has one."""
MAX_FILE_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class PlaySecretsOfApps:
    """What an operator may do with the app_secrets table: add, list, remove. Every method raises
    :class:`OperatorError`."""

    table: DynamoDBAppSecrets
    wrapping: KmsWrappingKey
    registrations: Registrations
    clock: Callable[[], float] = time.time

    @classmethod
    def of(cls, deployment: Deployment) -> PlaySecretsOfApps:
        """The secrets of a stack."""
        dynamodb = deployment.aws("dynamodb")
        return cls(
            DynamoDBAppSecrets(dynamodb, deployment.tables["app_secrets"]),
            KmsWrappingKey(deployment.aws("kms"), deployment.wrapping_key_id, deployment.stack_name),
            Registrations(dynamodb, deployment.tables["apps"]),
        )

    def add_keys(self, app: str, decryption_key: str, verification_key: str) -> AppSecret:
        """Seal and store one pair of response keys, as the Play Console shows it. The same pair has the same name."""
        try:
            secret = response_keys_secret(decryption_key, verification_key)
            pair = play_integrity_keys(decryption_key=decryption_key, verification_key=verification_key)
        except ValueError as error:
            raise OperatorError(_sentence(error)) from None
        name = f"play-key-{sha256(pair.verification_key).hexdigest()[:12]}"
        return self._put(app, name, SecretKind.PLAY_RESPONSE_KEYS, secret)

    def set_account(self, app: str, key_file: bytes) -> AppSecret:
        """Seal and store the service account that asks Google, from Google's JSON key file."""
        try:
            account = ServiceAccount.read(key_file)
        except ValueError as error:
            raise OperatorError(_sentence(error)) from None
        return self._put(app, ACCOUNT, SecretKind.PLAY_SERVICE_ACCOUNT, account.to_json())

    def list(self, app: str) -> tuple[AppSecret, ...]:
        """What is stored for an app: names and times are for showing, the rest is sealed."""
        self.registrations.get(app)
        try:
            return self.table.of(app)
        except Unavailable as error:
            raise OperatorError(_refused(error)) from error

    def remove(self, app: str, name: str) -> None:
        """Forget one of them. Functions notice within five minutes."""
        try:
            removed = self.table.remove(app, name)
        except Unavailable as error:
            raise OperatorError(_refused(error)) from error
        if not removed:
            raise OperatorError(f"{app} has no secret called {name}.")

    def _put(self, app: str, name: str, kind: SecretKind, secret: bytes) -> AppSecret:
        self.registrations.get(app)
        try:
            wrapped = self.wrapping.wrap(secret_kid(app, name), secret)
            row = AppSecret(app=app, name=name, kind=kind, wrapped=wrapped, created_at=int(self.clock()))
            self.table.put(row)
        except Unavailable as error:
            raise OperatorError(_refused(error)) from error
        return row


def _sentence(error: ValueError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _refused(error: Unavailable) -> str:
    return f"AWS refused ({error.what}): operators need kms:Encrypt on the wrapping key, and the app_secrets table."
