"""The use case: a call of a genuine app goes on to an upstream, with a key that never comes back.

In this order: the upstream and its route, token and proof, size and what is asked, the proof spent, both budgets, the
key, the call. What fails before the call costs the upstream nothing, and what is refused before the budgets costs the
app nothing. Neither prompts nor answers are kept, logged or counted by their content.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, Protocol
from urllib.parse import quote, urlencode

from bonafide_tokens.errors import Reason as TokenReason
from bonafide_tokens.errors import Rejected as RejectedToken
from bonafide_tokens.presented import PresentedRequest, verify_presented
from bonafide_tokens.proof import VerifiedProof
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.token import VerifiedToken
from bonafide_tokens.trust_bundle import TrustBundle
from bonafide_tokens.verified_tokens import VerifiedTokens

from service.deadline import within
from service.edge.json_body import MalformedRequest, read_json
from service.errors import Unavailable
from service.relay.budgets import Budgets, Reservation
from service.relay.credentials import Credential, Credentials
from service.relay.key_filter import FilteredStream
from service.relay.reasons import RelayReason, RelayRefused
from service.relay.upstream_call import Network, UpstreamAnswer, call_upstream
from service.relay.upstreams import Upstream
from service.relay.usage import AskUnreadable, Tokens, UsageReader, asked
from service.tables.spent_proofs import SpentProofs
from service.telemetry.decisions import log_unavailable

_OWN_CALLS: Final = 6.0
"""Seconds that budgets, proofs and keys may take together, before and after the upstream's."""
_MOST_CONTAINERS: Final = 20_000
_HEADER_VALUE: Final = re.compile(r"[ -~]{0,1024}\Z")
_RETRY_AFTER: Final = re.compile(r"[0-9]{1,5}\Z")
_BUSY: Final = frozenset({429, 503, 529})
_EVENTS: Final = "text/event-stream"
_COSTS_NOTHING: Final = frozenset(
    {
        RelayReason.ADDRESS_REFUSED,
        RelayReason.UNREACHABLE,
        RelayReason.REDIRECTED,
        RelayReason.CREDENTIAL_REFUSED,
        RelayReason.UPSTREAM_BUSY,
        RelayReason.UPSTREAM_FAILED,
    }
)
"""After these the units are given back; the request stays counted. An answer that breaks off, or that an app gave up,
may have cost all that was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayCall:
    """A call as it came in. ``path`` is what follows the upstream's name, ``query`` in the order that it came;
    ``headers`` have lower-case names and every value; ``url`` is the URL that the app called, without query."""

    method: str
    url: str
    upstream: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, Sequence[str]]
    body: bytes
    request_id: str


@dataclass(slots=True)
class RelayAnswer:
    """What goes back; ``pieces`` come as the upstream sends them, and raise :class:`RelayRefused` when it fails."""

    status: int
    headers: dict[str, str]
    pieces: Iterator[bytes] = field(repr=False)


@dataclass(slots=True, kw_only=True)
class RelayRecord:
    """What is known of a call, for its line in the log: names, sizes and numbers, nothing of what was said."""

    request_id: str
    upstream: str = ""
    route: str = ""
    app: str = ""
    key_id: str = ""
    platform: str = ""
    upstream_status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    reserved: int = 0
    used: int | None = None
    echoes: int = 0
    first_byte: float = 0.0
    seconds: float = 0.0


class Trusted(Protocol):
    """Where the trust bundle comes from."""

    def current(self, now: float) -> TrustBundle:
        """The bundle to decide by. Raises :class:`~service.errors.Unavailable`."""


@dataclass(slots=True, kw_only=True)
class Relay:
    """Makes calls for apps. ``note`` is called once per call with its record and why it failed, ``None`` if it did
    not, when its answer has ended."""

    upstreams: Mapping[str, Upstream]
    trust_bundle: Trusted
    spent_proofs: SpentProofs
    budgets: Budgets
    credentials: Credentials
    token_header: str
    proof_header: str
    note: Callable[[RelayRecord, Exception | None], None]
    network: Network = field(default_factory=Network)
    _tokens: VerifiedTokens = field(default_factory=VerifiedTokens)

    def answer(self, call: RelayCall, *, now: float, seconds: float) -> RelayAnswer:
        """Judge a call and make it, within ``seconds``. Raises :class:`RelayRefused`,
        :class:`~bonafide_tokens.errors.TokenError` or :class:`~service.errors.Unavailable`."""
        record = RelayRecord(request_id=call.request_id, bytes_in=len(call.body))
        began = monotonic()
        try:
            upstream, credential, paid, unit = self._prepare(call, record, now=now)
            left = _time_left(seconds - (monotonic() - began) - _OWN_CALLS / 2)
            try:
                answer = call_upstream(
                    upstream,
                    call.method,
                    _target(upstream, call, credential.key),
                    _sent_headers(upstream, call, credential.key),
                    call.body or None,
                    network=self.network,
                    seconds=min(upstream.seconds, left),
                )
                record.upstream_status = answer.status
                _require_passable(answer, credential)
            except RelayRefused as error:
                if error.reason in _COSTS_NOTHING:
                    self._settle(paid, 0, record)
                raise
        except Exception as error:
            record.seconds = monotonic() - began
            self.note(record, error)
            raise
        record.first_byte = monotonic() - began
        headers = _answer_headers(upstream, answer, credential)
        return RelayAnswer(answer.status, headers, self._pieces(answer, credential, paid, unit, record, began))

    def _prepare(
        self, call: RelayCall, record: RelayRecord, *, now: float
    ) -> tuple[Upstream, Credential, Reservation, Callable[[Tokens], int]]:
        upstream = self.upstreams.get(call.upstream)
        if upstream is None:
            raise RelayRefused(RelayReason.UPSTREAM_UNKNOWN, "no such upstream")
        record.upstream = upstream.name
        with within(_OWN_CALLS):
            token, proof = self._presented(call, upstream, record, now)
            if token.app not in upstream.apps:
                raise RelayRefused(RelayReason.UPSTREAM_UNKNOWN, "not for this app")
            record.route = upstream.route(call.method, call.path) or ""
            if not record.route:
                raise RelayRefused(RelayReason.ROUTE_UNKNOWN, "no route of this upstream")
            _require_query(upstream, call)
            _sent_headers(upstream, call, "")
            units, unit = _asked_units(upstream, call)
            credential = self.credentials.of(upstream.name, now)
            self.spent_proofs.spend(proof)
            paid = self.budgets.reserve(
                upstream=upstream.name,
                app=token.app,
                key_id=token.key_id,
                per_key=upstream.per_key,
                per_app=upstream.per_app,
                units=units,
                most_units=upstream.most_units,
                now=now,
            )
            record.reserved = paid.units
        return upstream, credential, paid, unit

    def _presented(
        self, call: RelayCall, upstream: Upstream, record: RelayRecord, now: float
    ) -> tuple[VerifiedToken, VerifiedProof]:
        """Token and proof of this very call and its body. For any audience, as the issuer itself takes them: apps are
        named by each upstream, and the proof names this URL."""

        def heard(token: VerifiedToken) -> None:
            record.app, record.key_id, record.platform = token.app, token.key_id, token.platform

        presented = PresentedRequest(
            call.method,
            call.url,
            call.headers.get(self.token_header.lower(), ()),
            call.headers.get(self.proof_header.lower(), ()),
        )
        token, proof = verify_presented(
            presented,
            bundle=self.trust_bundle.current(now),
            audience=None,
            now=now,
            minimum_tier=upstream.minimum_tier,
            remembered=self._tokens,
            on_token=heard,
        )
        signed = proof.content_digest if proof is not None else None
        needed = bool(call.body) or signed is not None
        if proof is None or (needed and not hmac.compare_digest((signed or ""), content_digest(call.body))):
            raise RejectedToken(TokenReason.PROOF_BODY, "the proof signs no body, or another one")
        return token, proof

    def _pieces(
        self,
        answer: UpstreamAnswer,
        credential: Credential,
        paid: Reservation,
        unit: Callable[[Tokens], int],
        record: RelayRecord,
        began: float,
    ) -> Iterator[bytes]:
        """The body, filtered. Settles before it ends; an answer that breaks off keeps what was reserved."""
        stream = credential.filter.stream()
        events = _is_events(answer)
        usage = UsageReader(events)
        failed: Exception | None = None
        try:
            for piece in answer.pieces:
                usage.feed(piece)
                yield from _counted(stream.feed(piece), record)
            yield from _counted(stream.end(), record)
            tokens = usage.tokens()
            if tokens is not None or answer.status >= 400:
                self._settle(paid, 0 if tokens is None else unit(tokens), record)
        except Exception as error:
            failed = error
            yield from _counted(_broken_off(stream, events, error, record.request_id), record)
            if not events:
                raise
        finally:
            answer.pieces.close()
            record.echoes, record.seconds = stream.found, monotonic() - began
            self.note(record, failed)

    def _settle(self, paid: Reservation, used: int, record: RelayRecord) -> None:
        try:
            with within(_OWN_CALLS / 2):
                self.budgets.settle(paid, used)
            record.used = used
        except Unavailable as error:  # what was reserved stays: the app is not refused an answer that it has
            log_unavailable(error.what, record.request_id)


def _time_left(seconds: float) -> float:
    if seconds <= 0:
        raise RelayRefused(RelayReason.OUT_OF_TIME, "no time left")
    return seconds


def _counted(piece: bytes, record: RelayRecord) -> Iterator[bytes]:
    if piece:
        record.bytes_out += len(piece)
        yield piece


def _broken_off(stream: FilteredStream, events: bool, error: Exception, request_id: str) -> bytes:
    """What is held back, and for events one more that says what happened: a status cannot be taken back."""
    rest = stream.end()
    if not events:
        return rest
    problem = (error.reason if isinstance(error, RelayRefused) else RelayReason.UPSTREAM_FAILED).problem
    return rest + b"\n\nevent: error\ndata: " + json.dumps(problem.document(instance=request_id)).encode() + b"\n\n"


def _is_events(answer: UpstreamAnswer) -> bool:
    return answer.headers.get("content-type", "").split(";", 1)[0].strip().lower() == _EVENTS


def _require_query(upstream: Upstream, call: RelayCall) -> None:
    names = [name for name, _ in call.query]
    if len(set(names)) < len(names) or not upstream.query.issuperset(names):
        raise RelayRefused(RelayReason.QUERY_REFUSED, "a parameter that is not allowed, or one twice")
    try:
        urlencode(call.query, quote_via=quote)
    except UnicodeEncodeError:
        raise RelayRefused(RelayReason.QUERY_REFUSED, "a value that is no text") from None


def _asked_units(upstream: Upstream, call: RelayCall) -> tuple[int, Callable[[Tokens], int]]:
    """What a call may use at most, and how tokens become units: themselves, or their price."""
    if len(call.body) > upstream.most_request_bytes:
        raise RelayRefused(RelayReason.BODY_TOO_LARGE, f"more than {upstream.most_request_bytes} bytes")
    if not upstream.counts_units or not call.body:
        return 0, sum
    try:
        body = read_json(call.body, max_bytes=upstream.most_request_bytes, max_containers=_MOST_CONTAINERS)
        most = asked(body, len(call.body))
    except (MalformedRequest, AskUnreadable) as error:
        raise RelayRefused(RelayReason.BODY_MALFORMED, str(error)) from None
    unit: Callable[[Tokens], int] = sum
    if upstream.prices:
        price = upstream.prices.get(str(body.get("model")))
        if price is None:
            raise RelayRefused(RelayReason.MODEL_UNKNOWN, "no price for this model")
        unit = price.of
    units = upstream.most_units if most is None else unit(most)
    if units > upstream.most_units:
        raise RelayRefused(RelayReason.ASK_TOO_LARGE, f"asks for {units} units")
    return units, unit


def _target(upstream: Upstream, call: RelayCall, key: str) -> str:
    query = [*call.query]
    if upstream.credential_query:
        query.append((upstream.credential_query, key))
    return upstream.base_path + call.path + ("?" + urlencode(query, quote_via=quote) if query else "")


def _sent_headers(upstream: Upstream, call: RelayCall, key: str) -> dict[str, str]:
    sent: dict[str, str] = {}
    for name in upstream.request_headers:
        values = call.headers.get(name, ())
        if len(values) > 1 or not all(map(_HEADER_VALUE.match, values)):
            raise RelayRefused(RelayReason.HEADER_REFUSED, f"{name}: two values, or none that can be sent")
        if values:
            sent[name] = values[0]
    sent.update(upstream.fixed_headers)
    if upstream.credential_header:
        sent[upstream.credential_header] = upstream.credential_prefix + key
    return sent


def _require_passable(answer: UpstreamAnswer, credential: Credential) -> None:
    """Raise for what an app has no use for, or what might tell it of the key. The body is not read then."""
    status, reason = answer.status, None
    if 300 <= status < 400:
        reason = RelayReason.REDIRECTED
    elif status in (401, 403):
        reason = RelayReason.CREDENTIAL_REFUSED
    elif status in _BUSY:
        reason = RelayReason.UPSTREAM_BUSY
    elif status >= 500:
        reason = RelayReason.UPSTREAM_FAILED
    if reason is not None:
        answer.pieces.close()
        again = answer.headers.get("retry-after", "")
        seconds = int(again) if _RETRY_AFTER.match(again) and credential.filter.text(again) else None
        raise RelayRefused(reason, f"answered with status {status}", retry_after=seconds)


def _answer_headers(upstream: Upstream, answer: UpstreamAnswer, credential: Credential) -> dict[str, str]:
    """Those that the operator allowed, as long as they are plain text without the key."""
    passed = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    for name in upstream.answer_headers:
        value = answer.headers.get(name)
        if value is not None and _HEADER_VALUE.match(value) and credential.filter.text(value) is not None:
            passed[name] = value
    return passed
