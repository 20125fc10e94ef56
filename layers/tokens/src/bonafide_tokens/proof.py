"""Proofs: one signature per request by the request key, as DPoP (RFC 9449).

A stolen token is worthless without the key its ``cnf`` names. :func:`verify_proof` walks RFC 9449 §4.3 check by
check; the caller owes check 1 (exactly one proof header) and, through :class:`ReplayMemory`, §11.1 (each proof once).
"""

from __future__ import annotations

import hmac
import re
from collections import defaultdict
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, NamedTuple

from bonafide_tokens import jose
from bonafide_tokens.errors import Malformed, Reason, Rejected, TokenError

PROOF_TYPE: Final = "dpop+jwt"
MAX_PROOF_CHARACTERS: Final = 4096
"""Longest text that is looked at; a usual proof has about 600 characters."""

CONTENT_DIGEST: Final = "content-digest"
"""Our own claim: the body's digest, spelled as the HTTP field of that name (RFC 9530 §2), by SHA-256 only."""

MAX_JTI: Final = 256
"""Longest ``jti``, in characters."""

_DIGEST: Final = re.compile(r"sha-256=:[A-Za-z0-9+/]{43}=:\Z")
_MAX_TOLD: Final = 95
_MAX_URL: Final = 2048
# Query and fragment, also where a reader would decode them; a user's name; parameters of a segment (`;session=…`).
_SECRET: Final = re.compile(r"(?:[?#]|%3f|%23|%25).*|[^/\\\\]*@|;[^/]*", re.IGNORECASE | re.DOTALL)
_KIND: Final = jose.JwsKind(
    PROOF_TYPE, MAX_PROOF_CHARACTERS, Reason.PROOF_MALFORMED, algorithm=Reason.PROOF_ALGORITHM, embeds_key=True
)
_URL: Final = re.compile(
    r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?(/[^?#\ud800-\udfff]*)?(?:[?#].*)?\Z", re.I | re.S
)
_ODD: Final = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9._~!$&'()*+,;=:@/-]")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
DEFAULT_PORTS: Final = {"https": "443", "http": "80"}


class VerifiedProof(NamedTuple):
    """A proof that holds for one request.

    ``expires_at`` (Unix seconds) is when it would be too old to be accepted again, so until then ``jti`` must be
    remembered. ``nonce`` is what the app repeated of a server's nonce, if anything. ``request_key`` is the loaded
    key, worth keeping beside the token: handing it back saves loading it for the next proof. ``content_digest`` is
    the digest of the body that the app signed, if any (RFC 9530, ``sha-256=:…:``): only the backend sees a body to
    compare it with.
    """

    jti: str
    issued_at: float
    expires_at: float
    nonce: str | None
    request_key: jose.EcPublicKey
    request_key_thumbprint: str
    content_digest: str | None = None


def verify_proof(
    proof: str,
    *,
    method: str,
    url: str,
    token: str,
    request_key_thumbprint: str,
    now: float,
    window: float = 60.0,
    request_key: jose.EcPublicKey | None = None,
) -> VerifiedProof:
    """Verify that the holder of the request key made ``proof`` for this request and this token.

    ``url`` is the URL as the app called it; ``window`` how many seconds the proof's time may lie to either side of
    ``now``; ``request_key`` the key as a former :class:`VerifiedProof` returned it, if known. Raises
    :class:`Malformed` (``proof-malformed``) or :class:`Rejected` (``proof-…``).
    """
    # RFC 9449 §4.3, in its order. 1: there is exactly one DPoP header: the caller's, it has the headers.
    # 2: it is a single, well-formed JWT. 4: typ is dpop+jwt. 5: alg is asymmetric, not none, and ours: ES256.
    jws = jose.read_jws(proof, _KIND)
    # 7: jwk holds no private key; and §4.3 check 12b, brought forward because it is cheaper than a signature:
    # the key is the one that the token is bound to.
    thumbprint, key = _proof_key(jws, request_key_thumbprint, request_key)
    # 6: the signature is by that key.
    if not jws.signed_by(key):
        raise Rejected(Reason.PROOF_SIGNATURE, "the signature is not the request key's")
    # 3: all required claims are there.
    claims = read_claims(jws)
    jti, issued_at = text_claim(claims, "jti"), seconds_claim(claims, "iat")
    htm, htu, ath = text_claim(claims, "htm"), text_claim(claims, "htu"), text_claim(claims, "ath")
    # 8: htm is the method.
    if htm != method:
        raise Rejected(Reason.PROOF_REQUEST, "made for another method")
    # 9: htu is the URL, query and fragment aside.
    if not same_target(htu, url):
        raise Rejected(Reason.PROOF_REQUEST, f"made for another URL: {_told(htu)}, not {_told(url)}")
    # 10: the nonce, where the server gave one, is the caller's to compare: it is returned.
    nonce = text_claim(claims, "nonce") if "nonce" in claims else None
    # 11: made within an acceptable time.
    if abs(now - issued_at) > window:
        raise Rejected(Reason.PROOF_TIME, f"made {now - issued_at:.0f} s ago by the app's clock")
    # 12a: ath is the hash of the token presented with it.
    if not hmac.compare_digest(ath.encode("utf-8"), token_hash(token).encode("ascii")):
        raise Rejected(Reason.PROOF_TOKEN, "made for another token")
    content_digest = _digest_claim(claims) if CONTENT_DIGEST in claims else None
    return VerifiedProof(jti, issued_at, issued_at + window, nonce, key, thumbprint, content_digest)


def _told(url: str) -> str:
    """A URL for the operator's log: without user, query and fragment, which may hold secrets; printable and bounded."""
    plain = _SECRET.sub("", url[:_MAX_URL])
    text = "".join(c if "!" <= c <= "~" else f"\\u{ord(c):04x}" for c in plain)
    return text if len(text) <= _MAX_TOLD else f"{text[:_MAX_TOLD]}..."


def same_target(one: str, other: str) -> bool:
    """Whether two URLs name the same target, query and fragment aside (RFC 9449 §4.3, RFC 3986 §6.2.2 and §6.2.3).

    Scheme and host in any case, the default port, an empty path, escapes of unreserved characters and dot segments
    make no difference. An escaped slash is no slash. A URL that is not http(s), or names a user, matches nothing.
    """
    if one == other and _URL.match(one):
        return True
    first, second = normal_target(one), normal_target(other)
    return first is not None and first == second


def normal_target(url: str) -> tuple[str, str, str, str] | None:
    """Scheme, host, port and path by those rules; ``None`` for what is no such URL."""
    match = _URL.match(url)
    if match is None:
        return None
    scheme, host, port, path = match.groups()
    scheme = scheme.lower()
    port = (port or "").lstrip("0") or DEFAULT_PORTS[scheme]
    return scheme, host.lower(), port, _without_dots(_ODD.sub(_escape, path or "/"))


def _escape(match: re.Match[str]) -> str:
    found = match.group()
    if len(found) == 3:
        character = chr(int(found[1:], 16))
        return character if character in _UNRESERVED else found.upper()
    return "".join(f"%{byte:02X}" for byte in found.encode("utf-8"))


def _without_dots(path: str) -> str:
    """RFC 3986 §5.2.4 for an absolute path."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def token_hash(token: str) -> str:
    return jose.b64url_encode(sha256(token.encode("utf-8")).digest())


def _proof_key(jws: jose.CompactJws, thumbprint: str, known: jose.EcPublicKey | None) -> tuple[str, jose.EcPublicKey]:
    jwk = jws.header.get("jwk")
    if type(jwk) is not dict:
        raise _malformed("the header has no jwk")
    try:
        presented = jose.jwk_thumbprint(jwk)
        if not hmac.compare_digest(presented.encode("ascii"), thumbprint.encode("utf-8")):
            raise Rejected(Reason.PROOF_KEY, "signed by another key than the token is bound to")
        return presented, known or jose.public_key_from_jwk(jwk)
    except Malformed as error:
        raise _malformed(error.detail) from error


def read_claims(jws: jose.CompactJws) -> Mapping[str, object]:
    """The claims of a proof whose signature holds. Raises :class:`Malformed` (``proof-malformed``)."""
    try:
        return jose.read_json_object(jws.payload)
    except TokenError as error:
        raise _malformed(error.detail) from error


def _malformed(detail: str) -> Malformed:
    return Malformed(Reason.PROOF_MALFORMED, detail)


def _digest_claim(claims: Mapping[str, object]) -> str:
    digest = text_claim(claims, CONTENT_DIGEST)
    if not _DIGEST.match(digest):
        raise _malformed(f"{CONTENT_DIGEST} is not a SHA-256 digest as RFC 9530 spells it")
    return digest


def text_claim(claims: Mapping[str, object], name: str) -> str:
    """A claim that must be a text. Raises :class:`Malformed` (``proof-malformed``)."""
    value = claims.get(name)
    if type(value) is not str or not value or (name == "jti" and len(value) > MAX_JTI):
        raise _malformed(f"{name} is missing or not a text")
    return value


def seconds_claim(claims: Mapping[str, object], name: str) -> float:
    """A claim that must be a time in Unix seconds. Raises :class:`Malformed` (``proof-malformed``)."""
    value = claims.get(name)
    # RFC 7519 §2 allows fractions. Bounds keep out infinity, which JSON spells 1e999.
    if type(value) not in (int, float) or not 0 <= value < 1 << 53:  # type: ignore[operator]
        raise _malformed(f"{name} is not a time")
    return float(value)  # type: ignore[arg-type]


class ReplayMemory:
    """Which proofs were accepted lately, in this process. Bounded in number and time.

    A proof is remembered until it would be refused as too old anyway, by the wall clock and by time that has passed: a
    clock that jumps ahead and comes back must not make it forget. Beyond ``capacity`` the holder of the most proofs
    loses its oldest: refusing everyone would let one device lock out all others, and forgetting the oldest of all would
    let it push a victim's proof out, to replay it. One process sees only its own requests, so this stops replays to the
    same process; a route that needs "once, anywhere" spends the ``jti`` in a table.
    """

    __slots__ = ("_capacity", "_held", "_holders", "_most", "_seen")

    def __init__(self, *, capacity: int = 32_768) -> None:
        self._capacity = capacity
        self._seen: dict[bytes, tuple[float, float, str]] = {}  # in order of arrival: wall and other time, holder
        self._held: dict[str, list[bytes]] = {}
        self._holders: defaultdict[int, dict[str, None]] = defaultdict(dict)  # by how many proofs each holds
        self._most = 0

    def __len__(self) -> int:
        return len(self._seen)

    def admit(
        self, proof: VerifiedProof, *, now: float, elapsed: float | None = None, holder: str | None = None
    ) -> None:
        """Remember ``proof``. Raises :class:`Rejected` (``proof-replayed``) when it was admitted before.

        ``elapsed`` is the reading in seconds of a clock that is never set, ``now`` where there is none; ``holder`` is
        whose share the proof counts in: the attested key, as one device may have many request keys.
        """
        seen, other = self._seen, now if elapsed is None else elapsed
        # A jti is unique per key, not in the world: another app must not be able to burn it.
        name = sha256(f"{proof.request_key_thumbprint}.{proof.jti}".encode("utf-8", "surrogatepass")).digest()[:16]
        known = seen.get(name)
        if known is not None:
            if not _is_over(known, now, other):
                raise Rejected(Reason.PROOF_REPLAYED, "this proof was used before")
            self._forget(name)
        while seen:
            oldest = next(iter(seen))
            if not _is_over(seen[oldest], now, other):
                break
            self._forget(oldest)
        if len(seen) >= self._capacity:
            self._forget(self._held[next(iter(self._holders[self._most]))][0])
        owner = proof.request_key_thumbprint if holder is None else holder
        seen[name] = (proof.expires_at, other + (proof.expires_at - now), owner)
        names = self._held.setdefault(owner, [])
        names.append(name)
        self._move(owner, len(names) - 1, len(names))

    def _forget(self, name: bytes) -> None:
        holder = self._seen.pop(name)[2]
        names = self._held[holder]
        names.remove(name)  # the first, unless clocks differ
        if not names:
            del self._held[holder]
        self._move(holder, len(names) + 1, len(names))

    def _move(self, holder: str, before: int, after: int) -> None:
        if before:
            del self._holders[before][holder]
        if after:
            self._holders[after][holder] = None
        self._most = max(self._most, after)
        while self._most and not self._holders[self._most]:
            self._most -= 1


def _is_over(times: tuple[float, float, str], now: float, elapsed: float) -> bool:
    # Inclusive, as the window is: a proof is still accepted at the very instant it expires.
    return times[0] < now and times[1] < elapsed
