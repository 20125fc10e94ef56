"""Play Integrity tokens that come with Android keys: opened with the app's own keys, or by Google, within the quota.

A phone without Google's services sends none, and is judged by its key attestation alone; so is one whose token Google
could not be asked about, with a finding. A token that was opened counts, whatever it says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

from attestation.android.play_integrity import read_decode_answer, verify_play_integrity, verify_verdict
from attestation.android.play_token import MAX_TOKEN_CHARACTERS, is_classic_token, play_integrity_keys
from attestation.challenge import OpenedChallenge
from attestation.claims import Claims
from attestation.errors import AttestationError, MalformedEvidence, Reason, RejectedEvidence
from attestation.evidence import PlayIntegrityToken
from attestation.reference_values import AndroidReferenceValues, PlayIntegrityKeys

from service.deadline import reserving, seconds_left
from service.errors import Reason as ServiceReason
from service.errors import Rejected, Unavailable
from service.fallback_modes import OnPlayUnavailable
from service.keys.kms import WrappingKey
from service.remembered import Remembered, RememberedByName
from service.telemetry.decisions import count, log_unavailable
from service.vendors.app_secrets import AppSecret, AppSecrets, SecretKind
from service.vendors.play_decoder import PlayDecoder, PlayUnavailable, ServiceAccount
from service.vendors.play_requests import KEY_SHARE, Breaker, PlayRequests, key_subject

MEMORY: Final = 300.0
"""Seconds that a process goes by an app's Play secrets: a new key pair is known everywhere after that."""

ASKING: Final = 4.0
"""Seconds that must be left to ask Google."""

_SETTLING: Final = 2.0
"""Seconds of them kept for what comes after: noting how it ended, and the redemption."""

_FRESH: Final = 240.0
_MAX_APPS: Final = 256
_VISIBLE: Final = re.compile(r"[!-~]+\Z")


@dataclass(frozen=True, slots=True)
class PlayAccess:
    """What an app's owner gave us: response keys for classic tokens, newest first, and a service account."""

    keys: tuple[PlayIntegrityKeys, ...] = ()
    account: ServiceAccount | None = None


@dataclass(slots=True)
class PlaySecrets:
    """:class:`PlayAccess` by app, unwrapped when first asked for. Safe to share between threads."""

    table: AppSecrets
    wrapping: WrappingKey
    _by_app: RememberedByName[PlayAccess] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        def remembered(app: str) -> Remembered[PlayAccess]:
            return Remembered(read=lambda _known, _now: self._read(app), fresh=_FRESH, first=MEMORY)

        self._by_app = RememberedByName(make=remembered, most=_MAX_APPS)

    def of(self, app: str, now: float) -> PlayAccess:
        """What is known for ``app``. Raises :class:`~service.errors.Unavailable`; old knowledge outlives an outage."""
        return self._by_app.current(app, now)

    def _read(self, app: str) -> PlayAccess:
        rows = sorted(self.table.of(app), key=lambda row: row.created_at, reverse=True)
        accounts = [row for row in rows if row.kind is SecretKind.PLAY_SERVICE_ACCOUNT]
        pairs = [row for row in rows if row.kind is SecretKind.PLAY_RESPONSE_KEYS]
        try:
            return PlayAccess(
                keys=tuple(_response_keys(self._unwrapped(row)) for row in pairs),
                account=ServiceAccount.read(self._unwrapped(accounts[0])) if accounts else None,
            )
        except ValueError as error:
            raise Unavailable(f"app_secrets of {app}: {error}") from error

    def _unwrapped(self, row: AppSecret) -> bytes:
        return self.wrapping.unwrap(row.kid, row.wrapped)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayIntegrity:
    """Opens and verifies Play Integrity tokens.

    ``daily_quota`` is how many requests a day Google allows for one package, of which renewals leave
    ``enrolment_reserve`` to enrolments. Of both, a challenge buys one request and a key :data:`KEY_SHARE` a day.
    """

    secrets: PlaySecrets
    decoder: PlayDecoder
    requests: PlayRequests
    daily_quota: int
    enrolment_reserve: int
    on_unavailable: OnPlayUnavailable = OnPlayUnavailable.REFUSE

    def verify_additional_evidence(
        self,
        claims: Claims,
        evidence: PlayIntegrityToken,
        *,
        app: str,
        challenge: OpenedChallenge,
        client_data_hash: bytes,
        expected: AndroidReferenceValues | None,
        enrolling: bool,
        now: float,
    ) -> Claims:
        """``claims`` with the verdict in ``evidence`` over the same client data, or with a note that Google was not
        asked.

        ``challenge`` is the one in that client data. Google is asked once for it: an app whose question came to nothing
        (503) and sends the same again is told ``challenge-spent``, gets a new challenge and asks with a new token.
        Raises :class:`~attestation.errors.AttestationError`, and :class:`~service.errors.Unavailable` when the token
        cannot be judged now.
        """
        if claims.android is None or expected is None:
            raise RejectedEvidence(Reason.KEY_OTHER_PLATFORM, "a Play Integrity token with a key of another platform")
        access = self.secrets.of(app, now)
        if is_classic_token(evidence.integrity_token) and access.keys:
            ours = replace(expected, play_integrity=access.keys)
            return claims.with_play(
                verify_play_integrity(evidence, client_data_hash=client_data_hash, reference_values=ours, now=now)
            )
        if access.account is None:
            raise RejectedEvidence(
                Reason.REFERENCE_VALUES_MISSING, "the app has no key or account that opens this token"
            )
        try:
            answer = self._decoded(access.account, claims, evidence.integrity_token, challenge, enrolling, now)
        except PlayUnavailable as error:
            if self.on_unavailable is OnPlayUnavailable.REFUSE:
                raise
            log_unavailable(error.what)
            return claims.without_play("unavailable")
        if answer is None:
            count("PlayQuotaSpent")
            return claims.without_play("quota")
        verdict = verify_verdict(
            read_decode_answer(answer), client_data_hash=client_data_hash, reference_values=expected, now=now
        )
        return claims.with_play(verdict)

    def _decoded(
        self,
        account: ServiceAccount,
        claims: Claims,
        token: str,
        challenge: OpenedChallenge,
        enrolling: bool,
        now: float,
    ) -> bytes | None:
        """Google's answer, this moment's or one of a moment ago; ``None`` when the quota forbids to ask."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise MalformedEvidence(
                Reason.EVIDENCE_TOO_LARGE, f"integrity token over {MAX_TOKEN_CHARACTERS} characters"
            )
        if not _VISIBLE.match(token):
            raise MalformedEvidence(Reason.ENCODING_INVALID, "the integrity token is not visible ASCII")
        package = claims.app_id
        answer = self.requests.answer(digest_of(package, token), now)
        if answer is not None:
            return answer
        # Before anything is claimed or counted: whether Google can be asked, and time to do so.
        breaker = self.requests.breaker(package, now)
        if breaker is not None and breaker.is_open(now):
            raise _not_asked()
        if seconds_left() < ASKING:
            raise PlayUnavailable("play integrity: no time left to ask Google", asked=False)
        if not self.requests.claim(challenge):
            raise Rejected(ServiceReason.CHALLENGE_SPENT, "Google was asked for this challenge before")
        limit = self.daily_quota if enrolling else self.daily_quota - self.enrolment_reserve
        admitted = False
        try:
            admitted = self.requests.admit(
                key_subject(claims.key_id), limit=KEY_SHARE, now=now
            ) and self.requests.admit(package, limit=limit, now=now, breaker=breaker)
            if not admitted and _until(self.requests.breaker(package, now)) != _until(breaker):
                raise _not_asked()  # it opened at this moment, or another request finds out
        finally:
            if not admitted:  # nothing is asked: should this request fail for another reason, it is good once more
                self._note(lambda: self.requests.release(challenge))
        return self._asked(account, package, token, challenge, breaker, now) if admitted else None

    def _asked(
        self,
        account: ServiceAccount,
        package: str,
        token: str,
        challenge: OpenedChallenge,
        breaker: Breaker | None,
        now: float,
    ) -> bytes:
        """Google's answer to a question that was claimed and counted, which a failure gives back."""
        try:
            with reserving(_SETTLING):
                answer = self.decoder.decode(account, package, token, now)
        except PlayUnavailable as error:
            self._note(lambda: self.requests.give_back(package, now))
            if error.pause is not None:
                pause = error.pause
                self._note(lambda: self.requests.pause(package, until=now + pause, now=now))
            else:
                self._note(lambda: self.requests.failed(package, now=now, breaker=breaker))
            if not error.asked:
                self._note(lambda: self.requests.release(challenge))
            raise
        except AttestationError:
            self._close(package, breaker, now)
            raise
        self._note(lambda: self.requests.keep(digest_of(package, token), answer, now))
        self._close(package, breaker, now)
        return answer

    def _close(self, package: str, breaker: Breaker | None, now: float) -> None:
        if breaker is not None:
            self._note(lambda: self.requests.answered(package, now))

    @staticmethod
    def _note(write: Callable[[], None]) -> None:
        """Write down how a question ended, if that can be: what came of it stands, whether it is noted or not."""
        try:
            write()
        except Unavailable as error:
            log_unavailable(error.what)


def digest_of(package: str, token: str) -> str:
    """What an answer is kept under."""
    return sha256(f"{package}/{token}".encode()).hexdigest()


def _until(breaker: Breaker | None) -> int:
    return 0 if breaker is None else breaker.until


def _not_asked() -> PlayUnavailable:
    count("PlayBreakerOpen")
    return PlayUnavailable("play integrity: Google fails, and is not asked for a while", asked=False)


SERVICE_ACCOUNT: Final = "play-account"
"""The name of an app's service account; it has one."""


def response_keys_name(decryption_key: str, verification_key: str) -> str:
    """The name of a key pair, after its public half. Raises :class:`ValueError` for texts that are no such pair."""
    pair = play_integrity_keys(decryption_key=decryption_key, verification_key=verification_key)
    return f"play-key-{sha256(pair.verification_key).hexdigest()[:12]}"


def response_keys_secret(decryption_key: str, verification_key: str) -> bytes:
    """What is sealed for one key pair. Raises :class:`ValueError` for texts that are no such pair."""
    play_integrity_keys(decryption_key=decryption_key, verification_key=verification_key)
    members = {"decryption_key": decryption_key.strip(), "verification_key": verification_key.strip()}
    return json.dumps(members).encode("ascii")


def _response_keys(secret: bytes) -> PlayIntegrityKeys:
    members = json.loads(secret)
    if not isinstance(members, Mapping):
        raise ValueError("sealed response keys are no object")  # noqa: TRY004 - the row's fault, not the caller's
    return play_integrity_keys(
        decryption_key=str(members.get("decryption_key")), verification_key=str(members.get("verification_key"))
    )
