"""Hands the page's calls through to the Admin API of one stack, signed with the operator's own credentials."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

from bonafide.console.messages import JSON, PROBLEM, Answer, Refused, Request
from bonafide.operator.admin_api import TIMEOUT, RequestSigner, problem_of
from bonafide.operator.deployment import Deployment
from bonafide.operator.errors import OperatorError, sentence_of

METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE"})
PREFIX: Final = "/admin/"

_CONNECTING: Final = 5.0
_MAX_ANSWER: Final = 10 * 1024 * 1024
_QUERY: Final = re.compile(r"[A-Za-z0-9\-._~!$'()*+,;:@/?&=%]*\Z", re.ASCII)
_SEGMENT: Final = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})+\Z", re.ASCII)
_ENCODED: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_HANDED_ON: Final = ("ETag", "Retry-After")
_TOLERANCE: Final = 300.0
"""Seconds that AWS lets a signature's time be off."""


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What came from the network."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Sends one request. No redirect is followed: a signature is for one host."""

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> RawAnswer:
        """Raises botocore's errors of connections."""


@dataclass(slots=True)
class AdminCalls:
    """The Admin API of ``deployment``, and no other address. Threads may share it.

    ``clock_offset`` is how many seconds this machine's clock is ahead of the stack's, by the latest answer.
    """

    deployment: Deployment
    send: Transport
    clock: Callable[[], float] = time.time
    clock_offset: float | None = None
    _signer: RequestSigner = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._signer = RequestSigner(self.deployment)

    def hand_through(self, request: Request, path: str) -> Answer:
        """Call ``path`` of the Admin API as the page did; its status, body and ``ETag``. Raises :class:`Refused`."""
        if request.method not in METHODS:
            allow = ", ".join(sorted(METHODS))
            raise Refused(405, "console-no-such-route", "The Admin API has no such method.", headers={"Allow": allow})
        if not is_admin_path(path) or _QUERY.match(request.query) is None:
            raise Refused(404, "console-no-such-route", "Only paths of the Admin API can be called.")
        path = _ENCODED.sub(
            lambda found: found[0].upper(), path
        )  # as the transport sends it, so that the signature holds
        target = f"{path}?{request.query}" if request.query else path
        known = request.header("if-none-match")
        answer = self._call(request.method, target, request.body or None, {"If-None-Match": known} if known else {})
        headers = {name: answer.headers[name] for name in _HANDED_ON if name in answer.headers}
        if answer.status == 304:
            return Answer(304, b"", JSON, headers)
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind not in (JSON, PROBLEM):
            raise Refused(502, "console-unreachable", f"{self._where} answered {answer.status} with no JSON.")
        return Answer(answer.status, answer.body, kind, headers)

    def members(self, path: str) -> dict[str, Any]:
        """The members of what GET on ``path`` answers. Raises :class:`Refused`, also for an answer that is a problem
        of the stack."""
        answer = self._call("GET", path, None, {})
        try:
            value = json.loads(answer.body)
        except ValueError:
            value = None
        if answer.status != 200:
            problem = problem_of(answer.status, value if isinstance(value, dict) else {}, path)
            raise Refused(answer.status, problem.slug or "console-unreachable", str(problem))
        if not isinstance(value, dict):
            raise Refused(502, "console-unreachable", f"{self._where} answered with no JSON object.")
        return value

    @property
    def _where(self) -> str:
        parts = urlsplit(self.deployment.admin_url)
        return f"{parts.scheme}://{parts.netloc}"

    def _call(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> RawAnswer:
        url = self.deployment.admin_url + target
        try:
            with self._lock:  # of several calls, one looks for credentials
                signed = self._signer.headers(method, url, body, headers)
        except Exception as error:
            raise self._without_credentials(error) from error
        begin = self.clock()
        try:
            answer = self._sent(method, url, signed, body)
        except Exception as error:
            raise self._unreachable(error) from error
        self._note_clock(answer, (begin + self.clock()) / 2)
        if answer.status == 403:
            self._refuse_signature(answer)
        return answer

    def _sent(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> RawAnswer:
        try:
            return self.send(method, url, headers, body)
        except Exception as error:
            if method != "GET" or type(error).__name__ != "ConnectionClosedError":
                raise
            return self.send(method, url, headers, body)  # a kept connection had ended meanwhile

    def _without_credentials(self, error: Exception) -> Refused:
        self._signer.forget()
        sentence = sentence_of(error)
        if sentence is None:
            raise error
        if not isinstance(error, OperatorError):
            sentence = f"Your AWS credentials cannot be used: {error} Sign in again, or set AWS_PROFILE."
        return Refused(503, "console-no-credentials", sentence)

    def _unreachable(self, error: Exception) -> Refused:
        name = type(error).__name__
        if not type(error).__module__.startswith("botocore"):
            raise error
        if name == "EndpointConnectionError" or (self.deployment.is_local and name == "ConnectionClosedError"):
            if self.deployment.is_local:
                sentence = (
                    f"Nothing answers at {self._where}: the local stack has ended. Start it again with `make run` or "
                    "`bonafide local up`; this page goes on by itself."
                )
                return Refused(502, "console-stack-gone", sentence)
            return Refused(502, "console-unreachable", f"{self._where} cannot be reached: is there a network?")
        if "Timeout" in name:
            return Refused(504, "console-unreachable", f"{self._where} did not answer in time.")
        return Refused(502, "console-unreachable", f"{self._where} cannot be reached: {error}")

    def _note_clock(self, answer: RawAnswer, now: float) -> None:
        try:
            theirs = parsedate_to_datetime(answer.headers["Date"]).replace(tzinfo=UTC).timestamp()  # RFC 9110 §5.6.7
        except (KeyError, TypeError, ValueError, OverflowError):
            return
        self.clock_offset = round(now - theirs, 1)

    def _refuse_signature(self, answer: RawAnswer) -> None:
        """Say what of a refusal is about this machine. IAM's own refusals are handed through: they name the action."""
        text = answer.body[:2000].decode("utf-8", "replace")
        kind = answer.headers.get("x-amzn-ErrorType", "").partition(":")[0]
        if "Signature expired" in text or "not yet current" in text:
            raise Refused(503, "console-clock-wrong", self._clock_sentence())
        if "security token" in text or kind in ("ExpiredTokenException", "UnrecognizedClientException"):
            self._signer.forget()
            sentence = "Your AWS credentials have expired, or are not valid here: sign in again, or set AWS_PROFILE."
            raise Refused(503, "console-no-credentials", sentence)
        if "signature we calculated does not match" in text:
            self._signer.forget()
            raise Refused(503, "console-no-credentials", "The secret of your AWS credentials is not the right one.")
        if kind == "ForbiddenException" or text.replace(" ", "") == '{"message":"Forbidden"}':
            # What API Gateway answers for an API that does not exist.
            sentence = f"{self._where} has no API of this stack any more: was the stack {self._name} deleted?"
            raise Refused(502, "console-stack-gone", sentence)

    @property
    def _name(self) -> str:
        return self.deployment.stack_name

    def _clock_sentence(self) -> str:
        offset = self.clock_offset
        if offset is None or abs(offset) < _TOLERANCE / 2:
            return "AWS refuses the time of your requests: set this machine's clock right."
        side = "ahead of" if offset > 0 else "behind"
        minutes = round(abs(offset) / 60)
        return f"This machine's clock is {minutes} minutes {side} the stack's: set it right; AWS takes no more than 5."


def is_admin_path(path: str) -> bool:
    """Whether ``path``, encoded as it is sent, is below ``/admin/``, and every reader of paths takes it as that.

    The attack: dot segments and encoded slashes, by which a signed call reaches another address than was checked.
    """
    if not path.startswith(PREFIX):
        return False
    for segment in path.split("/")[1:]:
        text = unquote(segment, errors="replace")
        if _SEGMENT.match(segment) is None or "\\" in text or any(ord(character) < 32 for character in text):
            return False
        if any(part in (".", "..") for part in text.split("/")):
            return False
    return True


def botocore_transport(*, local: bool) -> Transport:
    """Sends by botocore's own session: its certificates, its connections that are kept, and the environment's proxies
    unless the stack is ``local``."""
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import ConnectionClosedError
    from botocore.httpsession import URLLib3Session
    from botocore.utils import get_environ_proxies
    from urllib3.exceptions import HTTPError

    make: Any = URLLib3Session  # its stub knows neither a file of certificates nor two timeouts
    sessions: dict[str, Any] = {}
    lock = threading.Lock()

    def session_for(url: str) -> Any:
        host = urlsplit(url).netloc
        with lock:
            if host not in sessions:
                proxies = None if local else get_environ_proxies(url)
                sessions[host] = make(
                    verify=os.environ.get("AWS_CA_BUNDLE") or True,
                    proxies=proxies,
                    timeout=(_CONNECTING, TIMEOUT),
                    max_pool_connections=8,
                )
            return sessions[host]

    def send(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> RawAnswer:
        prepared = AWSRequest(method=method, url=url, data=body or b"", headers=dict(headers), stream_output=True)
        answer = session_for(url).send(prepared.prepare())
        try:
            content = answer.raw.read(_MAX_ANSWER + 1, decode_content=True)
            whole = not answer.raw.read(1)
        except (HTTPError, OSError) as error:
            raise ConnectionClosedError(endpoint_url=url) from error
        if not whole:
            answer.raw.close()
            raise Refused(502, "console-unreachable", "The stack answered with more than the console takes.")
        return RawAnswer(answer.status_code, answer.headers, content)

    return send
