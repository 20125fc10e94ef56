"""SysIntegrity tokens: a compact JWS that brings its signer's certificates (RFC 7515 §4.1.6), opened and authenticated.

Which algorithm, root and signer are right follows from the profile the app declared, never from the token. Many
certificates hang under the same roots: of every AppGallery developer, of every phone, of every app's HUKS key. Huawei's
sample checks neither CA flags nor, for its last certificate, dates, so that each of them could issue a signer; other
code looks for the host's name as a substring. Here the path is checked whole and the name exactly.

Some phones' certificates are CAs (non-anonymous and offline HUKS chains show them), and one extracted key would sign
verdicts for every phone. They stand below a CA of Huawei's, so exactly one CA may stand between signer and root, and no
certificate of the path may be marked as a device's or as an attested key's.

No genuine token was at hand: shapes are Huawei's documents', the tests' tokens are minted.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15

from attestation.android.key_description import EXTENSION as ANDROID_ATTESTATION
from attestation.encoding import der
from attestation.encoding.certificate import DIGITAL_SIGNATURE, KEY_CERT_SIGN, Certificate, p256_point
from attestation.encoding.chain import LINKS, LinkCache, below_anchor, issuer_key, verify_path
from attestation.encoding.jose import b64url_decode, es256_matches, public_key_from_point, read_json_object
from attestation.encoding.names import attributes
from attestation.endorsements import Endorsements
from attestation.errors import MalformedEvidence, Reason, RejectedEvidence
from attestation.evidence import IntegrityProfile
from attestation.harmony.attestation_extension import DEVICE_EXTENSIONS

MAX_TOKEN_CHARACTERS: Final = 32 * 1024
"""Longest token that is opened. Ones of the documented shape have 3 to 6 KB."""
MIN_CERTIFICATES: Final = 2
MAX_CERTIFICATES: Final = 4

SIGNING_HOST: Final = "sysintegrity.platform.hicloud.com"
"""The signer for the profiles ``hms`` and ``next``."""
ENHANCED_SIGNER: Final = "Harmony OS Device Attestation Service"
"""The common name of the signer for the profile ``enhanced``."""
_SUBJECT_ALTERNATIVE_NAME: Final = "2.5.29.17"
_DNS_NAME: Final = der.context(2, constructed=False)

_RS256, _PS256, _ES256 = "RS256", "PS256", "ES256"
ALGORITHMS: Final[Mapping[IntegrityProfile, frozenset[str]]] = {
    IntegrityProfile.HMS: frozenset({_RS256, _PS256}),
    IntegrityProfile.NEXT: frozenset({_RS256, _PS256}),
    IntegrityProfile.ENHANCED: frozenset({_ES256}),
}
"""The algorithms a profile may use. Huawei's sample for ``next`` knows RS256 alone; PS256 is not seen, but is no worse.
"""
# Members that would change how the rest is read, or name another key (RFC 7515 §4.1, RFC 7797 §3).
_FORBIDDEN: Final = frozenset({"crit", "b64", "zip", "enc", "jwk", "jku", "x5u"})
_SHA256: Final = hashes.SHA256()
_PSS: Final = PSS(mgf=MGF1(_SHA256), salt_length=PSS.DIGEST_LENGTH)  # RFC 7518 §3.5: the salt has the hash's length


@dataclass(frozen=True, slots=True)
class IntegrityToken:
    """A token taken apart and **not verified**: algorithm, certificates leaf first, payload, and what was signed."""

    algorithm: str
    certificates: tuple[Certificate, ...]
    payload: bytes
    signing_input: bytes
    signature: bytes

    @property
    def signer_is_ca(self) -> bool:
        """Whether the signer's certificate calls itself a CA, as a phone's own would. Raises
        :class:`MalformedEvidence`."""
        constraints = self.certificates[0].basic_constraints
        return constraints is not None and constraints.ca


def read_token(text: str, profile: IntegrityProfile, links: LinkCache = LINKS) -> IntegrityToken:
    """Steps 1 to 3: three strict segments, an algorithm of the profile, certificates that can be read.

    Issuers come again with every token, so ``links`` remembers how those that it found good read.

    Raises :class:`MalformedEvidence`, or :class:`RejectedEvidence` (``integrity-token-algorithm``, ``chain-length``).
    """
    # 1. Size and shape; base64url without padding, JSON without repeated members.
    if len(text) > MAX_TOKEN_CHARACTERS:
        raise MalformedEvidence(Reason.EVIDENCE_TOO_LARGE, f"integrity token over {MAX_TOKEN_CHARACTERS} characters")
    segments = text.split(".", 3)
    if len(segments) != 3:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "an integrity token is not three segments")
    header = read_json_object(b64url_decode(segments[0]))
    # 2. The profile decides on the algorithm.
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS[profile]:
        raise RejectedEvidence(Reason.INTEGRITY_TOKEN_ALGORITHM, f"not an algorithm of the profile {profile}")
    if not _FORBIDDEN.isdisjoint(header):
        raise RejectedEvidence(Reason.INTEGRITY_TOKEN_ALGORITHM, "the header asks for more than the plain algorithm")
    if not all(segments):
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "a segment of the integrity token is empty")
    # 3. Certificates in standard base64.
    chain = header.get("x5c")
    if not isinstance(chain, list) or not all(type(certificate) is str for certificate in chain):
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "x5c is no list of texts")
    if not MIN_CERTIFICATES <= len(chain) <= MAX_CERTIFICATES:
        raise RejectedEvidence(Reason.CHAIN_LENGTH, f"{len(chain)} certificates in x5c")
    return IntegrityToken(
        algorithm=algorithm,
        certificates=tuple(map(links.read_issuer, map(base64_decode, chain))),
        payload=b64url_decode(segments[1]),
        signing_input=text[: len(segments[0]) + 1 + len(segments[1])].encode("ascii"),
        signature=b64url_decode(segments[2]),
    )


def authenticate(
    token: IntegrityToken, profile: IntegrityProfile, *, endorsements: Endorsements, now: float, links: LinkCache
) -> None:
    """Steps 4 to 6: a valid path to the profile's root, the right signer, its signature.

    ``now`` is Unix seconds. Raises :class:`MalformedEvidence`, :class:`EndorsementsUnavailable` or
    :class:`RejectedEvidence`: ``chain-*``, ``anchor-unknown``, ``integrity-token-signer``,
    ``integrity-token-algorithm``, ``integrity-token-signature``.
    """
    # 4. A root in x5c is trusted for being pinned, never for being there.
    anchor = verify_path(
        token.certificates, anchors=endorsements.harmony(profile), now=now, links=links, max_length=MAX_CERTIFICATES
    )
    issuers = len(below_anchor(token.certificates, anchor)) - 1
    if issuers != 1:
        raise RejectedEvidence(Reason.CHAIN_LENGTH, f"{issuers} CAs between the signer and the root, not one")
    # 5. The service's own certificate.
    _check_signer(token, profile)
    # 6. Its signature over the text as it came.
    _check_signature(token)


def base64_decode(text: str) -> bytes:
    """Standard base64 with padding (RFC 4648 §4), in its one spelling. Raises :class:`MalformedEvidence`."""
    try:
        data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except ValueError as error:
        raise MalformedEvidence(Reason.ENCODING_INVALID, "not standard base64") from error
    if binascii.b2a_base64(data, newline=False).decode("ascii") != text:
        raise MalformedEvidence(Reason.ENCODING_INVALID, "base64 with unused bits set")
    return data


def _check_signer(token: IntegrityToken, profile: IntegrityProfile) -> None:
    """Step 5. The attack: a certificate under the same root that was issued for something else."""
    if any(_is_marked(oid) for certificate in token.certificates for oid in certificate.extensions):
        raise _not_the_signer("a certificate of a device or of an attested key is in x5c")
    leaf = token.certificates[0]
    usage = leaf.key_usage
    if usage is not None and not usage & DIGITAL_SIGNATURE:
        raise RejectedEvidence(Reason.CHAIN_KEY_USAGE, "the signer's key is not for signatures")
    if usage is not None and usage & KEY_CERT_SIGN:
        raise RejectedEvidence(Reason.CHAIN_KEY_USAGE, "the signer's key is for certificates, as a phone's own CA's is")
    if profile is IntegrityProfile.ENHANCED:
        # No document says that this one must not be a CA: OpenHarmony's certificate of that name is one. Policy is
        # told.
        if _common_names(leaf) != [ENHANCED_SIGNER]:
            raise _not_the_signer("the signer has another name")
        return
    if token.signer_is_ca:
        raise RejectedEvidence(Reason.CHAIN_CA_FLAG, "the signer is a CA")
    # A common name counts only where there is no DNS name (RFC 6125 §6.4.4); no wildcards, no suffixes.
    hosts = _dns_names(leaf)
    if SIGNING_HOST not in hosts if hosts else _common_names(leaf) != [SIGNING_HOST]:
        raise _not_the_signer("the signer is another host")


def _is_marked(oid: str) -> bool:
    """Whether an extension is one that Huawei gives to devices and attested keys, or Android to attested keys."""
    return oid == ANDROID_ATTESTATION or oid.startswith(DEVICE_EXTENSIONS)


def _not_the_signer(detail: str) -> RejectedEvidence:
    return RejectedEvidence(Reason.INTEGRITY_TOKEN_SIGNER, detail)


def _common_names(certificate: Certificate) -> list[str]:
    return [value for rdn in attributes(certificate.subject) for label, value in rdn if label == "CN"]


def _dns_names(certificate: Certificate) -> list[str]:
    extension = certificate.extension(_SUBJECT_ALTERNATIVE_NAME)
    if extension is None:
        return []
    names = der.Reader(der.single(extension.value, der.SEQUENCE))
    return [name.value.decode("latin-1") for name in names if name.tag == _DNS_NAME]


def _check_signature(token: IntegrityToken) -> None:
    leaf = token.certificates[0]
    if token.algorithm == _ES256:
        signed = es256_matches(public_key_from_point(p256_point(leaf.spki)), token.signing_input, token.signature)
    else:
        key = issuer_key(leaf.spki)
        if not isinstance(key, rsa.RSAPublicKey):
            raise RejectedEvidence(Reason.INTEGRITY_TOKEN_ALGORITHM, "algorithm and signer's key are of two types")
        try:
            key.verify(
                token.signature,
                token.signing_input,
                _PSS if token.algorithm == _PS256 else PKCS1v15(),
                _SHA256,
            )
            signed = True
        except InvalidSignature:
            signed = False
    if not signed:
        raise RejectedEvidence(Reason.INTEGRITY_TOKEN_SIGNATURE, "not signed by the signer's key")
