"""One change to what a good SysIntegrity token says, or to what we expect of it. Everything here is well signed."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from attestation.errors import Reason
from attestation.evidence import IntegrityProfile
from attestation.reference_values import HarmonyReferenceValues

from .scene import (
    BUNDLE,
    DIGEST,
    ENHANCED,
    EXPECTED,
    HMS,
    NEXT,
    NOW,
    Mutation,
    TokenQuestion,
    malformed,
    token_draft,
    with_payload,
    with_token,
)


def expecting(profile: IntegrityProfile, **changes: object) -> Callable[[], TokenQuestion]:
    """The default token, judged against other reference values."""
    expected = replace(EXPECTED, **changes)  # type: ignore[arg-type]
    return lambda: TokenQuestion(token=token_draft(profile).seal(), profile=profile, expected=expected)


def at(profile: IntegrityProfile, seconds: float) -> Callable[[], TokenQuestion]:
    """The default token, judged so much later."""
    return lambda: TokenQuestion(token=token_draft(profile).seal(), profile=profile, now=NOW + seconds)


def with_document(document: bytes) -> Callable[[], TokenQuestion]:
    return with_token(NEXT, lambda draft: replace(draft, payload_json=document))


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def of_two_signers() -> TokenQuestion:
    ours, theirs = sha256(b"ours").digest(), sha256(b"theirs").digest()
    question = with_payload(HMS, apkCertificateDigestSha256=[in_base64(ours), in_base64(theirs)])()
    return replace(question, expected=replace(EXPECTED, signing_digests=frozenset({ours})))


ODD_SIGNERS: tuple[object, ...] = ("zz" * 32, "ab " * 21 + "c", in_base64(bytes(20)), [in_base64(bytes(20))], 7, {})
"""Signer digests that are none, in any encoding."""


def _with_odd_signer(value: object) -> Callable[[], TokenQuestion]:
    expected = replace(EXPECTED, signing_digests=frozenset({bytes(20), bytes(32)}))
    return lambda: replace(with_payload(NEXT, hapCertificateSha256=value)(), expected=expected)


_NO_BOOLEANS: tuple[object, ...] = ("true", 1, [True], {})
MILLISECONDS = int(NOW * 1000)
NONCES = (
    *(
        Mutation(
            f"verdict: another nonce, {profile}",
            Reason.CHALLENGE_MISMATCH,
            with_payload(profile, nonce=in_base64(bytes(32))),
        )
        for profile in IntegrityProfile
    ),
    Mutation(
        "verdict: the start of the nonce", Reason.CHALLENGE_MISMATCH, with_payload(HMS, nonce=in_base64(DIGEST[:16]))
    ),
    Mutation(
        "verdict: a nonce encoded twice, HMS Core",
        Reason.CHALLENGE_MISMATCH,
        with_payload(HMS, nonce=in_base64(in_base64(DIGEST).encode())),
    ),
    Mutation("verdict: a nonce that is not ASCII", Reason.CHALLENGE_MISMATCH, with_payload(NEXT, nonce="é" * 32)),
    Mutation(
        "verdict: a nonce of a lone surrogate", Reason.CHALLENGE_MISMATCH, with_payload(NEXT, nonce="\ud800" * 32)
    ),
    Mutation("verdict: the nonce in hexadecimal", Reason.CHALLENGE_MISMATCH, with_payload(NEXT, nonce=DIGEST.hex())),
    malformed("verdict: no nonce", Reason.STRUCTURE_INVALID, with_payload(ENHANCED, nonce=None)),
    malformed("verdict: a nonce that is a number", Reason.STRUCTURE_INVALID, with_payload(ENHANCED, nonce=1)),
    malformed(
        "verdict: an unpadded nonce of HMS Core",
        Reason.ENCODING_INVALID,
        with_payload(HMS, nonce=in_base64(DIGEST).rstrip("=")),
    ),
)
TIMES = (
    Mutation("verdict: six minutes old", Reason.INTEGRITY_TOKEN_TIME, at(HMS, 360)),
    Mutation("verdict: of yesterday", Reason.INTEGRITY_TOKEN_TIME, at(ENHANCED, 86_400)),
    Mutation("verdict: of the future", Reason.INTEGRITY_TOKEN_TIME, at(NEXT, -120)),
    Mutation("verdict: in seconds", Reason.INTEGRITY_TOKEN_TIME, with_payload(NEXT, timestamp=int(NOW))),
    malformed("verdict: no time", Reason.STRUCTURE_INVALID, with_payload(NEXT, timestamp=None)),
    malformed(
        "verdict: HMS Core's time for HarmonyOS 5",
        Reason.STRUCTURE_INVALID,
        with_payload(NEXT, timestamp=None, timestampMs=MILLISECONDS),
    ),
    malformed(
        "verdict: HarmonyOS's time for HMS Core",
        Reason.STRUCTURE_INVALID,
        with_payload(HMS, timestampMs=None, timestamp=MILLISECONDS),
    ),
    malformed(
        "verdict: a time that is text", Reason.STRUCTURE_INVALID, with_payload(NEXT, timestamp=str(MILLISECONDS))
    ),
    malformed("verdict: a time with a fraction", Reason.STRUCTURE_INVALID, with_payload(NEXT, timestamp=NOW * 1000.0)),
    malformed("verdict: a time that is true", Reason.STRUCTURE_INVALID, with_payload(NEXT, timestamp=True)),
    malformed("verdict: a time beyond all floats", Reason.STRUCTURE_INVALID, with_payload(NEXT, timestamp=10**400)),
    malformed("verdict: a time before all", Reason.STRUCTURE_INVALID, with_payload(NEXT, timestamp=-1)),
)
APPS = (
    Mutation("verdict: another bundle", Reason.APP_MISMATCH, with_payload(NEXT, hapBundleName="org.example.other")),
    Mutation("verdict: another package", Reason.APP_MISMATCH, with_payload(HMS, apkPackageName=f"{BUNDLE}.evil")),
    Mutation("verdict: another app id", Reason.APP_MISMATCH, with_payload(ENHANCED, appId="1")),
    Mutation("verdict: no app id", Reason.APP_MISMATCH, with_payload(HMS, appId=None)),
    Mutation(
        "verdict: no bundle expected",
        Reason.APP_MISMATCH,
        lambda: TokenQuestion(
            token=token_draft(NEXT).seal(), profile=NEXT, expected=HarmonyReferenceValues(bundle_names=())
        ),
    ),
    Mutation(
        "verdict: another signer", Reason.SIGNER_MISMATCH, expecting(NEXT, signing_digests=frozenset({bytes(32)}))
    ),
    Mutation(
        "verdict: another signer of the package",
        Reason.SIGNER_MISMATCH,
        expecting(HMS, signing_digests=frozenset({bytes(32)})),
    ),
    Mutation("verdict: a second signer", Reason.SIGNER_MISMATCH, of_two_signers),
    Mutation(
        "verdict: no signer",
        Reason.SIGNER_MISMATCH,
        lambda: replace(
            with_payload(NEXT, hapCertificateSha256=None)(),
            expected=replace(EXPECTED, signing_digests=frozenset({bytes(32)})),
        ),
    ),
    malformed(
        "verdict: a bundle that is no text", Reason.STRUCTURE_INVALID, with_payload(NEXT, hapBundleName=[BUNDLE])
    ),
    malformed("verdict: no bundle", Reason.STRUCTURE_INVALID, with_payload(NEXT, hapBundleName=None)),
    malformed(
        "verdict: a package for HarmonyOS 5",
        Reason.STRUCTURE_INVALID,
        with_payload(NEXT, hapBundleName=None, apkPackageName=BUNDLE),
    ),
    Mutation(
        "verdict: another app id, identifiers alone listed",
        Reason.SIGNER_MISMATCH,
        expecting(NEXT, app_ids=(), app_identifiers=("5765880207850000001",)),
    ),
    *(
        Mutation(
            f"verdict: a signer that cannot be read where one is expected, {value!r}"[:90],
            Reason.SIGNER_MISMATCH,
            _with_odd_signer(value),
        )
        for value in ODD_SIGNERS
    ),
)
VERDICTS = (
    *(
        malformed(
            f"verdict: basicIntegrity {value!r}", Reason.STRUCTURE_INVALID, with_payload(ENHANCED, basicIntegrity=value)
        )
        for value in _NO_BOOLEANS
    ),
    malformed("verdict: no basicIntegrity", Reason.STRUCTURE_INVALID, with_payload(ENHANCED, basicIntegrity=None)),
    malformed("verdict: a detail outside a list", Reason.STRUCTURE_INVALID, with_payload(NEXT, detail="jailbreak")),
    malformed("verdict: a detail that is a number", Reason.STRUCTURE_INVALID, with_payload(NEXT, detail=[1])),
    malformed(
        "verdict: a detail that moves the cursor", Reason.STRUCTURE_INVALID, with_payload(NEXT, detail=["\u001b[2J"])
    ),
    malformed("verdict: endless details", Reason.STRUCTURE_INVALID, with_payload(NEXT, detail=["root"] * 33)),
    malformed(
        "verdict: risk factors instead",
        Reason.STRUCTURE_INVALID,
        with_payload(ENHANCED, basicIntegrity=None, isDeveloperMode={"status": 0}),
    ),
    malformed(
        "verdict: a repeated member",
        Reason.ENCODING_INVALID,
        with_document(b'{"basicIntegrity":false,"basicIntegrity":true}'),
    ),
    malformed("verdict: a list", Reason.ENCODING_INVALID, with_document(b"[true]")),
    malformed("verdict: NaN", Reason.ENCODING_INVALID, with_document(b'{"timestamp":NaN}')),
    malformed("verdict: no UTF-8", Reason.ENCODING_INVALID, with_document(b'{"nonce":"\xff"}')),
)
TOKEN_CONTENT_MUTATIONS = (*NONCES, *TIMES, *APPS, *VERDICTS)
