"""Certificate chains: signatures (cached), and the strict path rules of RFC 5280 §6.1.

Two layers. :class:`LinkCache` answers one question, whether a certificate is signed by a key, and serves every chain
profile. :func:`verify_path` adds names, CA flags, path lengths, key usage, critical extensions and dates, for vendors
whose chains obey RFC 5280. Chains that do not (Android's factory-provisioned ones) walk their own rules over the same
cache.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from threading import Lock
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import load_der_public_key

from attestation.encoding.certificate import (
    BASIC_CONSTRAINTS,
    EXTENDED_KEY_USAGE,
    KEY_CERT_SIGN,
    KEY_USAGE,
    Certificate,
    read_certificate,
)
from attestation.encoding.names import names_match
from attestation.endorsements import TrustAnchor, require_anchors
from attestation.errors import MalformedEvidence, Reason, RejectedEvidence

MAX_PATH: Final = 6
"""Most certificates in one chain. Apple sends two, Android up to six."""

_ECDSA: Final = "ecdsa"
_RSA: Final = "rsa"
_SHA256, _SHA384, _SHA512 = hashes.SHA256(), hashes.SHA384(), hashes.SHA512()

# AlgorithmIdentifier as exact DER -> scheme and hash. ECDSA (RFC 5758 §3.2) has no parameters, yet Titan-M chips write
# NULL; RSA (RFC 4055 §5) has NULL, and absent must be accepted.
_ALGORITHMS: Final = {
    bytes.fromhex(encoded): (scheme, digest)
    for scheme, digest, *spellings in (
        (_ECDSA, _SHA256, "300a06082a8648ce3d040302", "300c06082a8648ce3d0403020500"),
        (_ECDSA, _SHA384, "300a06082a8648ce3d040303", "300c06082a8648ce3d0403030500"),
        (_ECDSA, _SHA512, "300a06082a8648ce3d040304", "300c06082a8648ce3d0403040500"),
        (_RSA, _SHA256, "300d06092a864886f70d01010b0500", "300b06092a864886f70d01010b"),
        (_RSA, _SHA384, "300d06092a864886f70d01010c0500", "300b06092a864886f70d01010c"),
        (_RSA, _SHA512, "300d06092a864886f70d01010d0500", "300b06092a864886f70d01010d"),
    )
    for encoded in spellings
}
_CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")
_RSA_BITS: Final = range(2048, 8192 + 1)  # below: forgeable; above: a CPU sink

_UNDERSTOOD: Final = frozenset({BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE})


@lru_cache(maxsize=256)
def issuer_key(spki: bytes) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    """Load a key that may sign certificates: P-256, P-384, P-521, or RSA of 2048 to 8192 bits.

    Raises :class:`MalformedEvidence` (``key-unreadable``) or :class:`RejectedEvidence` (``chain-algorithm``).
    """
    try:
        key = load_der_public_key(spki)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise MalformedEvidence(Reason.KEY_UNREADABLE, "a certificate's public key cannot be read") from error
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name in _CURVES:
            return key
        raise RejectedEvidence(Reason.CHAIN_ALGORITHM, f"issuer key on curve {key.curve.name}")
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size in _RSA_BITS:
            return key
        raise RejectedEvidence(Reason.CHAIN_ALGORITHM, f"issuer key is RSA of {key.key_size} bits")
    raise RejectedEvidence(Reason.CHAIN_ALGORITHM, "issuer key is neither EC nor RSA")


def check_signature(algorithm: bytes, spki: bytes, signature: bytes, message: bytes) -> None:
    """Check ``signature`` over ``message`` by the key ``spki`` under ``algorithm`` (DER of an AlgorithmIdentifier).

    Raises :class:`RejectedEvidence` with ``chain-signature``, or ``chain-algorithm`` for an algorithm outside the
    allow-list or one that does not belong to the key.
    """
    scheme, digest = _ALGORITHMS.get(algorithm, ("", _SHA256))
    if not scheme:
        raise RejectedEvidence(Reason.CHAIN_ALGORITHM, "signed with an algorithm that is not allowed")
    key = issuer_key(spki)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and scheme == _ECDSA:
            key.verify(signature, message, ec.ECDSA(digest))
        elif isinstance(key, rsa.RSAPublicKey) and scheme == _RSA:
            key.verify(signature, message, PKCS1v15(), digest)
        else:
            raise RejectedEvidence(Reason.CHAIN_ALGORITHM, "signature algorithm and issuer key are of different types")
    except InvalidSignature as error:
        raise RejectedEvidence(Reason.CHAIN_SIGNATURE, "not signed by the issuer's key") from error


def verify_signature(certificate: Certificate, issuer_spki: bytes) -> None:
    """Check that ``certificate`` is signed by the key ``issuer_spki``; nothing else about either.

    Raises as :func:`check_signature`.
    """
    check_signature(certificate.signature_algorithm, issuer_spki, certificate.signature, certificate.tbs)


class LinkCache:
    """Remembers which certificates were found signed by which key, so that an issuing CA is read and verified once.

    The key is the full certificate and the issuer's SubjectPublicKeyInfo. Only good signatures are kept, so no attacker
    can fill the cache without a genuine issuer; dates, flags and revocation are never cached. Bounded (least recently
    used goes first) and safe to share between threads.
    """

    def __init__(self, capacity: int = 1024) -> None:
        self._capacity = capacity
        self._links: OrderedDict[tuple[bytes, bytes], None] = OrderedDict()
        self._read: OrderedDict[bytes, Certificate] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._links)

    def read_issuer(self, data: bytes) -> Certificate:
        """:func:`read_certificate`, once per certificate that :meth:`verify_link` has found good."""
        return self._read.get(data) or read_certificate(data)

    def verify_link(self, certificate: Certificate, issuer_spki: bytes) -> None:
        """:func:`verify_signature`, once per pair."""
        link = (certificate.raw, issuer_spki)
        with self._lock:
            if link in self._links:
                self._links.move_to_end(link)
                return
        verify_signature(certificate, issuer_spki)
        with self._lock:
            self._links[link] = None
            if len(self._links) > self._capacity:
                self._links.popitem(last=False)
            if not certificate.trailing:
                self._read[certificate.raw] = certificate
                if len(self._read) > self._capacity:
                    self._read.popitem(last=False)


LINKS: Final = LinkCache()
"""The process's own cache, used where the caller brings none."""


def verify_path(
    certificates: Sequence[Certificate],
    *,
    anchors: tuple[TrustAnchor, ...],
    now: float,
    links: LinkCache = LINKS,
    max_length: int = MAX_PATH,
) -> TrustAnchor:
    """Check a chain, leaf first, by RFC 5280 §6.1, and return the anchor that it ends in.

    The order is the sender's and is not repaired: what is judged is what was sent. The last certificate is issued by
    an anchor, or is a copy of an anchor's own certificate, whose dates then do not count. ``now`` is Unix seconds. The
    leaf's signature is verified every time, those above it through ``links``. The leaf's own role is the caller's.

    Raises :class:`RejectedEvidence` (``chain-*``, ``anchor-unknown``; a certificate that merely carries an anchor's
    name as issuer, signed by another key, is ``anchor-unknown``), :class:`MalformedEvidence` and
    :class:`EndorsementsUnavailable`.
    """
    require_anchors(anchors)
    if not 1 <= len(certificates) <= max_length:
        raise RejectedEvidence(Reason.CHAIN_LENGTH, f"chain of {len(certificates)} certificates")
    path = list(certificates)
    pinned = {anchor.spki for anchor in anchors}
    if len(path) > 1 and path[-1].spki in pinned:
        root = path.pop()
        candidates = tuple(anchor for anchor in anchors if anchor.spki == root.spki)
    else:
        candidates = anchors
    candidates = tuple(anchor for anchor in candidates if names_match(path[-1].issuer, anchor.subject))
    if not candidates:
        raise RejectedEvidence(Reason.ANCHOR_UNKNOWN, "the chain does not end in a trust anchor")
    if any(certificate.spki in pinned for certificate in path[1:]):
        raise RejectedEvidence(Reason.CHAIN_LENGTH, "a root below the top of the chain")  # no device repeats its root
    _check_rules(path, now)
    anchor = signing_anchor(path[-1], candidates, links.verify_link if len(path) > 1 else verify_signature)
    for index in range(len(path) - 2, -1, -1):
        if index:
            links.verify_link(path[index], path[index + 1].spki)
        else:
            # A leaf is seen once: remembering it would only push issuers out.
            verify_signature(path[0], path[1].spki)
    return anchor


def below_anchor(certificates: Sequence[Certificate], anchor: TrustAnchor) -> Sequence[Certificate]:
    """The certificates of a good path without an in-chain root, whose own bytes are unsigned."""
    return certificates[:-1] if len(certificates) > 1 and certificates[-1].spki == anchor.spki else certificates


def signing_anchor(
    top: Certificate, candidates: Iterable[TrustAnchor], verify: Callable[[Certificate, bytes], object]
) -> TrustAnchor:
    """The first candidate whose key signed the topmost certificate, as ``verify(certificate, spki)`` says by not
    raising. Several anchors may share one name."""
    failure = RejectedEvidence(Reason.ANCHOR_UNKNOWN, "issuer has the name of a trust anchor, but not its key")
    for anchor in candidates:
        try:
            verify(top, anchor.spki)
        except RejectedEvidence as error:
            if error.reason is not Reason.CHAIN_SIGNATURE:
                failure = error
        else:
            return anchor
    raise failure


def _check_rules(path: list[Certificate], now: float) -> None:
    """Everything but signatures, from the leaf upwards. Cheap, so it comes first."""
    for index, certificate in enumerate(path):
        if index + 1 < len(path) and not names_match(certificate.issuer, path[index + 1].subject):
            raise RejectedEvidence(Reason.CHAIN_ISSUER_MISMATCH, f"certificate {index} names another issuer")
        for oid, extension in certificate.extensions.items():
            if extension.critical and oid not in _UNDERSTOOD:
                raise RejectedEvidence(Reason.CHAIN_CRITICAL_EXTENSION, f"certificate {index}: critical {oid}")
        if now < certificate.not_before:
            raise RejectedEvidence(Reason.CHAIN_NOT_YET_VALID, f"certificate {index} is not valid yet")
        if now > certificate.not_after:
            raise RejectedEvidence(Reason.CHAIN_EXPIRED, f"certificate {index} has expired")
        if index:
            _check_issuer(certificate, index)


def _check_issuer(certificate: Certificate, index: int) -> None:
    """May this certificate issue others? ``index - 1`` CAs stand between it and the leaf."""
    constraints = certificate.basic_constraints
    if constraints is None or not constraints.ca:
        raise RejectedEvidence(Reason.CHAIN_CA_FLAG, f"certificate {index} is not a CA")
    if constraints.path_length is not None and index - 1 > constraints.path_length:
        raise RejectedEvidence(Reason.CHAIN_PATH_LENGTH, f"certificate {index} allows fewer CAs below it")
    usage = certificate.key_usage
    if usage is not None and not usage & KEY_CERT_SIGN:
        raise RejectedEvidence(Reason.CHAIN_KEY_USAGE, f"certificate {index} may not sign certificates")
