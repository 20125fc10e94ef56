"""What vendors send and app owners entrust, in memory. Contract tests hold these fakes to the real adapters.

As in :mod:`tests.service_stack.fakes`, ``down`` makes every call raise :class:`Unavailable`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from attestation.challenge import OpenedChallenge
from attestation.errors import MalformedEvidence, Reason
from service.keys.kms import WrappingKey
from service.vendors.app_secrets import AppSecret, SecretKind, secret_kid
from service.vendors.play_decoder import PlayUnavailable, ServiceAccount
from service.vendors.play_integrity import response_keys_secret
from service.vendors.play_requests import FAILURES, KEPT, PROBING, Breaker, day_of, open_seconds
from service.vendors.status_lists import StoredStatusList, packed

from devkit.devices.android.play_integrity import ResponseKeys
from devkit.devices.fake_google import SoftwareGoogle
from tests.service_stack.fakes import Switch


@dataclass
class MemoryStatusLists(Switch):
    """:class:`service.vendors.status_lists.StatusLists`."""

    row: StoredStatusList | None = None

    def find(self) -> StoredStatusList | None:
        self.touch()
        return self.row

    def replace(self, row: StoredStatusList) -> bool:
        self.touch()
        if row.revision != (1 if self.row is None else self.row.revision + 1):
            return False
        self.row = row
        return True

    def publish(self, content: Mapping[str, object], now: float) -> None:
        """What a refresh at ``now`` would leave here."""
        entries = content["entries"]
        assert isinstance(entries, Mapping)
        self.row = StoredStatusList(
            content=packed(json.dumps(content).encode("utf-8")),
            entries=len(entries),
            fetched_at=int(now),
            fresh_until=int(now),
            revision=1 if self.row is None else self.row.revision + 1,
        )


@dataclass
class MemoryAppSecrets(Switch):
    """:class:`service.vendors.app_secrets.AppSecrets`, and the operator's part."""

    rows: dict[tuple[str, str], AppSecret] = field(default_factory=dict)

    def of(self, app: str) -> tuple[AppSecret, ...]:
        self.touch()
        return tuple(self.rows[key] for key in sorted(self.rows) if key[0] == app)

    def put(self, secret: AppSecret) -> None:
        self.touch()
        self.rows[secret.app, secret.name] = secret

    def remove(self, app: str, name: str) -> bool:
        self.touch()
        return self.rows.pop((app, name), None) is not None

    def seal(self, app: str, name: str, kind: SecretKind, secret: bytes, wrapping: WrappingKey, now: float) -> None:
        """What ``bonafide app`` leaves here."""
        wrapped = wrapping.wrap(secret_kid(app, name), secret)
        self.rows[app, name] = AppSecret(app=app, name=name, kind=kind, wrapped=wrapped, created_at=int(now))

    def seal_response_keys(self, app: str, keys: ResponseKeys, wrapping: WrappingKey, now: float) -> None:
        """One pair of response keys, named by its number."""
        secret = response_keys_secret(**keys.console_texts)
        self.seal(app, f"play-key-{len(self.rows)}", SecretKind.PLAY_RESPONSE_KEYS, secret, wrapping, now)


@dataclass
class MemoryPlayRequests(Switch):
    """:class:`service.vendors.play_requests.PlayRequests`."""

    spent: dict[tuple[str, int], int] = field(default_factory=dict)
    paused: dict[tuple[str, int], float] = field(default_factory=dict)
    answers: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    failures: dict[tuple[str, int], int] = field(default_factory=dict)
    broken: dict[tuple[str, int], Breaker] = field(default_factory=dict)

    def claim(self, challenge: OpenedChallenge) -> bool:
        self.touch()
        if challenge.nonce in self.asked:
            return False
        self.asked.add(challenge.nonce)
        return True

    def release(self, challenge: OpenedChallenge) -> None:
        self.touch()
        self.asked.discard(challenge.nonce)

    def breaker(self, package: str, now: float) -> Breaker | None:
        self.touch()
        today = (package, day_of(now))
        return self.broken.get(today, Breaker()) if today in self.failures else None

    def admit(self, subject: str, *, limit: int, now: float, breaker: Breaker | None = None) -> bool:
        self.touch()
        today = (subject, day_of(now))
        if self.spent.get(today, 0) >= limit or self.paused.get(today, 0) > now:
            return False
        stands, seen = self.broken.get(today, Breaker()), breaker or Breaker()
        if stands.until != seen.until or stands.until > now:
            return False
        if stands.until:
            self.broken[today] = Breaker(int(now) + PROBING, stands.times)
        self.spent[today] = self.spent.get(today, 0) + 1
        return True

    def give_back(self, subject: str, now: float) -> None:
        self.touch()
        today = (subject, day_of(now))
        self.spent[today] = max(0, self.spent.get(today, 0) - 1)

    def failed(self, package: str, *, now: float, breaker: Breaker | None) -> None:
        self.touch()
        today = (package, day_of(now))
        if breaker is not None and breaker.until:
            if today in self.broken:
                self.broken[today] = Breaker(int(now) + open_seconds(breaker.times), breaker.times + 1)
        elif today not in self.broken:
            self.failures[today] = self.failures.get(today, 0) + 1
            if self.failures[today] >= FAILURES:
                self.broken[today] = Breaker(int(now) + open_seconds(0), 1)

    def answered(self, package: str, now: float) -> None:
        self.touch()
        today = (package, day_of(now))
        self.failures.pop(today, None)
        self.broken.pop(today, None)

    def pause(self, package: str, *, until: float, now: float) -> None:
        self.touch()
        self.paused[package, day_of(now)] = until

    def answer(self, digest: str, now: float) -> bytes | None:
        self.touch()
        answer, expires_at = self.answers.get(digest, (b"", 0.0))
        return answer if expires_at > now else None

    def keep(self, digest: str, answer: bytes, now: float) -> None:
        self.touch()
        self.answers[digest] = (answer, int(now) + KEPT)


@dataclass
class SoftwarePlayDecoder:
    """:class:`service.vendors.play_decoder.PlayDecoder` without a network. ``trouble`` is what it raises instead."""

    google: SoftwareGoogle
    trouble: PlayUnavailable | None = None
    asked: list[str] = field(default_factory=list)

    def decode(self, account: ServiceAccount, package: str, token: str, now: float) -> bytes:
        assert account.assertion(now)
        self.asked.append(package)
        if self.trouble is not None:
            raise self.trouble
        verdict = self.google.decode(token, package)
        if verdict is None:
            raise MalformedEvidence(Reason.ENCODING_INVALID, "Google cannot read the integrity token")
        return json.dumps({"tokenPayloadExternal": verdict}).encode("utf-8")
