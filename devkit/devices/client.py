"""Speaks the API as an app does: challenge → attestation → token → renewal → guarded call. Standard library only."""

from __future__ import annotations

import http.client
import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlsplit

from bonafide_tokens.signed_body import content_digest

from bonafide.operator.errors import OperatorError
from devkit.client_core.waits import asked_seconds, jitter
from devkit.devices.app_instance import AppInstance
from devkit.devices.installation import encode_body

TOKEN_HEADER: Final = "OAuth-Client-Attestation"
PROOF_HEADER: Final = "DPoP"
SECRETS: Final = "/v1/secrets"
POLICY_VERSION_HEADER: Final = "bonafide-client-policy-version"

_MAX_ANSWER_BYTES: Final = 1 << 20
_LATER: Final = frozenset({429, 503})


class StackUnreachable(OperatorError):
    """Nothing answers at the address, or not in time. The message is one sentence for a person."""


class CannotAttest(OperatorError):
    """The device has no evidence to give. ``code`` says why; ``answer`` is the stack's to that, ``None`` for a device
    that keeps silent."""

    def __init__(self, code: str, answer: Answer | None) -> None:
        super().__init__(f"This device cannot attest: {code}.")
        self.code = code
        self.answer = answer


class UnexpectedAnswer(OperatorError):
    """The stack refused where the flow cannot go on. ``answer`` is what it said."""

    def __init__(self, answer: Answer, step: str) -> None:
        super().__init__(f"{step} was answered with {answer.summary}")
        self.answer = answer
        self.step = step


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, lower-cased headers, body, and how long it took in milliseconds.

    ``key_id`` is the attested key that the request named, if it named one: support codes are about keys.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    milliseconds: float
    key_id: str = ""

    @property
    def json(self) -> Mapping[str, object]:
        """The body as a JSON object, or an empty one where it is not."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def problem(self) -> str | None:
        """The slug of an RFC 9457 problem: the last part of its ``type``."""
        kind = self.json.get("type")
        return kind.rstrip("/").rsplit("/", 1)[-1] if isinstance(kind, str) else None

    @property
    def summary(self) -> str:
        """``403 evidence-rejected``, or only the status."""
        return f"{self.status} {self.problem}" if self.problem else str(self.status)

    def text(self, member: str) -> str:
        """A text member of the JSON body; empty where it is absent."""
        value = self.json.get(member)
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Session:
    """What an installation holds after a token was minted."""

    token: str
    next_challenge: str
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiClient:
    """A client of one stack.

    The URLs have no trailing slash; ``timeout`` is in seconds for one request. A 503 or 429 says that the same request
    may be sent again: the client does so, after Retry-After and :func:`~devkit.client_core.waits.jitter`, for
    ``patience`` seconds in all.
    """

    verifier_url: str
    guarded_url: str
    timeout: float = 30.0
    patience: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)

    def send(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | Callable[[], Mapping[str, str]] | None = None,
    ) -> Answer:
        """One request and its answer, whatever the status. ``headers`` that are called are made anew for each send.
        Raises :class:`StackUnreachable`."""
        give_up_at = time.monotonic() + self.patience
        for refusals in itertools.count(1):
            answer = self._send_once(method, url, body=body, headers=headers() if callable(headers) else headers)
            asked = _retry_after(answer)
            if asked is None:
                return answer
            wait = asked + jitter(refusals)
            if time.monotonic() + wait >= give_up_at:
                return answer
            time.sleep(wait)
        raise AssertionError("unreachable")

    def _send_once(self, method: str, url: str, *, body: bytes | None, headers: Mapping[str, str] | None) -> Answer:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise StackUnreachable(f"{url} is not an http or https address.")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        started = time.perf_counter()
        try:
            connection = kind(parts.hostname, parts.port, timeout=self.timeout)
            try:
                try:
                    connection.request(method, path, body, {**self.headers, **(headers or {})})
                except BrokenPipeError:
                    pass  # a server may refuse an oversized body before it has read it all, and say why
                response = connection.getresponse()
                content = response.read(_MAX_ANSWER_BYTES)
            finally:
                connection.close()
        except TimeoutError as error:
            raise StackUnreachable(f"{parts.scheme}://{parts.netloc} gave no answer in {self.timeout:g} s.") from error
        except (OSError, http.client.HTTPException) as error:
            raise StackUnreachable(f"No stack answers at {parts.scheme}://{parts.netloc}.") from error
        milliseconds = (time.perf_counter() - started) * 1000
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, content, milliseconds)

    def post(self, path: str, body: Mapping[str, object] | bytes) -> Answer:
        """POST JSON to the verifier API."""
        content = body if isinstance(body, bytes) else encode_body(body)
        answer = self.send("POST", self.verifier_url + path, body=content, headers={"Content-Type": "application/json"})
        return answer if isinstance(body, bytes) else replace(answer, key_id=_named_key(body))

    def challenge(self, app: str) -> str:
        """A fresh challenge. Raises :class:`UnexpectedAnswer` when there is none."""
        answer = self.post("/v1/challenges", {"app": app})
        if answer.status != 201 or not answer.text("challenge"):
            raise UnexpectedAnswer(answer, "POST /v1/challenges")
        return answer.text("challenge")

    def attest(self, installation: AppInstance, *, signals: Sequence[str] = ()) -> Session:
        """Enrol an installation. Raises :class:`UnexpectedAnswer` when it is refused, :class:`CannotAttest` when the
        device has no evidence.

        When the answer is lost, the same bytes are sent again; a key that has enrolled by then renews.
        """
        challenge = self.challenge(installation.app)
        if installation.cannot_attest:
            said = None if installation.silent else self.report_failure(installation, installation.cannot_attest)
            raise CannotAttest(installation.cannot_attest, said)
        client_data = installation.client_data(challenge, signals=signals)
        answer = self._post_again("/v1/attestations", installation, installation.attestation_body(client_data))
        _tell(installation, answer)
        if answer.problem == "key-enrolled":
            return self.renew(installation, self.challenge(installation.app), signals=signals)
        return _session(answer, 201, "attestations")

    def renew(self, installation: AppInstance, challenge: str, *, signals: Sequence[str] = ()) -> Session:
        """Renew with the ``next_challenge`` of the last answer: one round trip, or two when that challenge turns out to
        be spent, because an answer was lost."""
        answer = self._renewal(installation, challenge, signals)
        if answer.problem == "challenge-unusable":
            answer = self._renewal(installation, self.challenge(installation.app), signals)
        _tell(installation, answer)
        return _session(answer, 200, "tokens")

    def _renewal(self, installation: AppInstance, challenge: str, signals: Sequence[str]) -> Answer:
        client_data = installation.client_data(challenge, signals=signals)
        return self._post_again("/v1/tokens", installation, installation.renewal_body(client_data))

    def _post_again(self, path: str, installation: AppInstance, members: Mapping[str, object]) -> Answer:
        """POST for an installation; the same bytes once more when no answer comes."""
        body = encode_body(members)
        try:
            answer = self.post(path, body)
        except StackUnreachable:
            answer = self.post(path, body)
        return replace(answer, key_id=installation.bonafide_key_id)

    def report_failure(self, installation: AppInstance, code: str) -> Answer:
        """Say that an attempt ended without evidence, and why. No device waits for the answer or repeats it:
        one request, whatever the client's patience."""
        body, url = encode_body(installation.failure_body(code)), self.verifier_url + "/v1/attestation-failures"
        return self._send_once("POST", url, body=body, headers={"Content-Type": "application/json"})

    def report_signal(self, installation: AppInstance, token: str, *signals: object) -> Answer:
        """Report signals at once: names, or objects with ``name`` and ``detail``. Each send signs its own proof."""
        body, url = signals_body(signals), self.verifier_url + "/v1/signals"
        answer = self._send_proven("POST", url, installation, token, body)
        return replace(answer, key_id=installation.bonafide_key_id)

    def ask_secrets(self, installation: AppInstance, token: str, *names: str, sealing_key: str = "") -> Answer:
        """Ask for secrets, sealed to the installation's sealing key; ``sealing_key`` names another one by its
        thumbprint. Each send signs its own proof."""
        body, url = secrets_body(names, sealing_key or installation.sealing_key_thumbprint), self.verifier_url + SECRETS
        answer = self._send_proven("POST", url, installation, token, body)
        return replace(answer, key_id=installation.bonafide_key_id)

    def call(
        self, method: str, path: str, *, token: str | None = None, proof: str | None = None, body: bytes | None = None
    ) -> Answer:
        """A call of the guarded API, with or without a token and a proof."""
        headers = {}
        if token is not None:
            headers[TOKEN_HEADER] = token
        if proof is not None:
            headers[PROOF_HEADER] = proof
        return self.send(method, self.guarded_url + path, headers=headers, body=body)

    def call_with_proof(self, method: str, path: str, installation: AppInstance, token: str) -> Answer:
        """A call of the guarded API as the token's holder makes it: token and proof. Raises ``WorkStopped`` when the
        installation's client policy forbids it."""
        if installation.policy is not None:
            installation.policy.require_work()
        return self._send_proven(method, self.guarded_url + path, installation, token)

    def _send_proven(
        self, method: str, url: str, installation: AppInstance, token: str, body: bytes | None = None
    ) -> Answer:
        """Send with token and proof: one that signs the body, where there is one, and is new for each send."""
        digest, kind = (None, {}) if body is None else (content_digest(body), {"Content-Type": "application/json"})

        def headers() -> Mapping[str, str]:
            proof = installation.proof(method=method, url=url, token=token, content_digest=digest)
            return {**kind, TOKEN_HEADER: token, PROOF_HEADER: proof}

        return self.send(method, url, body=body, headers=headers)


def _tell(installation: AppInstance, answer: Answer) -> None:
    """Tell the installation which client policy is active for it, whatever else the answer says."""
    if installation.policy is not None:
        installation.policy.heard(answer.headers.get(POLICY_VERSION_HEADER))


def signals_body(signals: Sequence[object]) -> bytes:
    """The body of POST /v1/signals, as it is signed and sent."""
    return encode_body({"signals": list(signals)})


def secrets_body(names: Sequence[str], sealing_key: str) -> bytes:
    """The body of POST /v1/secrets, as it is signed and sent."""
    return encode_body({"secrets": list(names), "sealing_key": sealing_key})


def _retry_after(answer: Answer) -> float | None:
    """Seconds to wait at least before the same request may be sent again; ``None`` when sending it again makes no
    sense. Without a usable header, as an HTTP API answers, the jitter alone counts."""
    if answer.status not in _LATER:
        return None
    return asked_seconds(answer.headers.get("retry-after"))


def _named_key(body: Mapping[str, object]) -> str:
    evidence = body.get("evidence")
    pieces = [body, *(evidence if isinstance(evidence, list) else ())]
    named = (piece.get("key_id") for piece in pieces if isinstance(piece, Mapping))
    return next((name for name in named if isinstance(name, str)), "")


def _session(answer: Answer, expected: int, route: str) -> Session:
    if answer.status != expected or not answer.text("token"):
        raise UnexpectedAnswer(answer, f"POST /v1/{route}")
    return Session(answer.text("token"), answer.text("next_challenge"), answer)
