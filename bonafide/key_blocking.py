"""Taking back what was granted, from a laptop: ``service.blocking`` and ``service.not_before`` with AWS's own time.

An operator's clock that is ahead would refuse tokens that are yet to be minted, so the time is the one that DynamoDB
says, and the clock is only asked where it says none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from service.blocking import MAX_REASON, NEVER, BlockingRefused, DynamoDBBlocking, KeyStanding
from service.errors import Unavailable
from service.not_before import NotBefore

from .deployment import Deployment
from .operator_error import OperatorError

__all__ = ["MAX_REASON", "NEVER", "KeyBlocking", "KeyStanding"]


@dataclass(frozen=True, slots=True)
class KeyBlocking:
    """Both tables, through a boto3 DynamoDB client. Every method raises :class:`OperatorError`."""

    dynamodb: Any
    attested_keys: str
    revocations: str
    operator: Callable[[], str]
    clock: Callable[[], float] = time.time

    @classmethod
    def of(cls, deployment: Deployment) -> KeyBlocking:
        """The keys of a stack."""
        tables = deployment.tables
        return cls(deployment.aws("dynamodb"), tables["attested_keys"], tables["revocations"], deployment.operator)

    def show(self, key_id: str) -> KeyStanding:
        """One key."""
        with _one_sentence():
            return self._blocking.show(key_id)

    def block(self, key_id: str, *, reason: str = "", seconds: int | None = None) -> KeyStanding:
        """Block a key, for ``seconds`` or for good; a block that stands is replaced."""
        with _one_sentence():
            now = self._now()
            return self._blocking.block(key_id, by=self.operator(), now=now, reason=reason, seconds=seconds)

    def unblock(self, key_id: str) -> KeyStanding:
        """Let a key renew again; it has a whole idle period to do so."""
        with _one_sentence():
            return self._blocking.unblock(key_id, now=self._now())

    def not_before(self, app: str) -> int | None:
        """The time (Unix seconds) before which tokens of an app are refused; ``None`` when there is none."""
        with _one_sentence():
            return self._tokens.find(app)

    def refuse_older_tokens(self, app: str) -> int:
        """Refuse every token of an app that was minted up to now; its not-before."""
        with _one_sentence():
            return self._tokens.refuse_older_tokens(app, by=self.operator(), now=self._now())

    @property
    def _blocking(self) -> DynamoDBBlocking:
        # The module's own sleep, looked up late.
        return DynamoDBBlocking(self.dynamodb, self.attested_keys, self.revocations, sleep=lambda s: time.sleep(s))

    @property
    def _tokens(self) -> NotBefore:
        return NotBefore(self.dynamodb, self.revocations)

    def _now(self) -> int:
        nothing = {"app": {"S": "*"}, "revoked": {"S": "clock"}}
        answer = self.dynamodb.get_item(TableName=self.revocations, Key=nothing)
        date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        try:
            return int(parsedate_to_datetime(date).timestamp())
        except (TypeError, ValueError):
            return int(self.clock())


@contextmanager
def _one_sentence() -> Iterator[None]:
    try:
        yield
    except BlockingRefused as error:
        raise OperatorError(str(error)) from error
    except Unavailable as error:
        if error.__cause__ is not None:
            raise error.__cause__ from error  # what AWS says of an operator's own permissions is said better elsewhere
        raise OperatorError(f"AWS cannot answer: {error.what}.") from error
