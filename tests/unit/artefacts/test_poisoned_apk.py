"""APKs of ours to which a stranger added a signer of their own: one construction, one named reason, none taken over.

No signature covers the signing block, and in a file with scheme v1 alone META-INF is not. Anyone with our
file can put a second signer beside ours, where only some releases of Android look.
"""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from bonafide.artefacts.registration import what_is_new, with_artefact
from bonafide.operator.registration import Registration

from .conftest import NotTaken, Read
from .minted_apk import (
    ECDSA_SHA256,
    ECDSA_SHA512,
    OWNER,
    ROTATED,
    STRANGER,
    V2,
    V3,
    V31,
    Apk,
    BlockSigner,
    JarSignature,
    lineage,
)
from .minted_archive import Identity

LAST = 0x7FFFFFFF
PROOF, ROTATION_MIN_SDK, HYBRID_MIN_SDK, DEV_RELEASE = 0x3BA06F8C, 0x559F8B02, 0xBF940529, 0xC2A6B3BA
V32, PADDING, UNKNOWN = 0x70E1C89F, 0x42726577, 0x71777777
FROM_33 = {ROTATION_MIN_SDK: struct.pack("<L", 33)}
THIRD = Identity("owner's third key")

GENUINE = Apk().build()
_V2 = BlockSigner()
_V3 = BlockSigner(sdk=(28, LAST))
_EVIL = BlockSigner(identity=STRANGER)
_OLD = BlockSigner(sdk=(28, 32), attributes=FROM_33)
_NEW_PROOF = {PROOF: lineage(OWNER, ROTATED)}
_NEW = BlockSigner(identity=ROTATED, sdk=(33, LAST), attributes=_NEW_PROOF)
_THIRD_PROOF = {PROOF: lineage(OWNER, ROTATED, THIRD)}
_NEW_THIRD = BlockSigner(identity=THIRD, sdk=(33, LAST), attributes=_THIRD_PROOF)


def _evil(first: int, last: int, **changes: object) -> BlockSigner:
    return replace(BlockSigner(identity=STRANGER, sdk=(first, last)), **changes)  # type: ignore[arg-type]


def _v3(*signers: BlockSigner, min_sdk: int = 21) -> Apk:
    return Apk(min_sdk=min_sdk, blocks={V2: (_V2,), V3: signers})


def _v31(*signers: BlockSigner, old: BlockSigner = _OLD) -> Apk:
    return Apk(blocks={V2: (_V2,), V3: (old,), V31: signers})


NOT_REGISTERED = f"is signed by {STRANGER.digest}, which is not registered for demo"
POISONED = {
    # A second signer in the block.
    "v3 of a stranger for later releases": (
        _v3(replace(_V3, sdk=(28, 32)), _evil(33, LAST)),
        "has unrelated signers in schemes v1 and v3",
    ),
    "v3 of a stranger for releases that have no v3": (
        _v3(_V3, _evil(24, 27)),
        "has unrelated signers in schemes v1 and v3",
    ),
    "v3 of a stranger for releases to come": (
        _v3(replace(_V3, sdk=(28, 99)), _evil(100, LAST)),
        "has unrelated signers in schemes v1 and v3",
    ),
    "v3 of a stranger, where there is nothing older": (
        Apk(v1=None, min_sdk=28, blocks={V3: (replace(_V3, sdk=(28, 34)), _evil(35, LAST))}),
        "has unrelated signers in scheme v3",
    ),
    "v3 of a stranger alone, under our v2": (
        Apk(v1=None, min_sdk=24, blocks={V2: (_V2,), V3: (_evil(28, LAST),)}),
        "has unrelated signers in schemes v2 and v3",
    ),
    "v2 of a stranger that no release reads": (
        Apk(v1=None, min_sdk=28, blocks={V2: (_EVIL,), V3: (_V3,)}),
        "has unrelated signers in schemes v2 and v3",
    ),
    "second v2 signer": (Apk(v1=None, min_sdk=24, blocks={V2: (_V2, _EVIL)}), NOT_REGISTERED),
    "second v2 signer over v1": (
        Apk(blocks={V2: (_V2, _EVIL)}),
        "has unrelated signers in schemes v1 and v2",
    ),
    "second v1 signer under v2": (
        Apk(v1_beside=(JarSignature(identity=STRANGER, name="META-INF/EVIL.SF"),), blocks={V2: (_V2,)}),
        "has unrelated signers in schemes v1 and v2",
    ),
    "second v2 signer under v3": (
        Apk(v1=None, min_sdk=24, blocks={V2: (_V2, _EVIL), V3: (_V3,)}),
        "has unrelated signers in schemes v2 and v3",
    ),
    "v3.1 of owner and stranger": (
        _v31(replace(_NEW, sdk=(33, 34)), _evil(35, LAST)),
        "has unrelated signers in schemes v1 and v3.1",
    ),
    "v3.1 of owner and stranger for the same releases": (
        Apk(v1=None, min_sdk=28, blocks={V3: (_OLD,), V31: (_NEW, _evil(33, LAST))}),
        "has unrelated signers in scheme v3 and v3.1",
    ),
    "v3.1 of a stranger": (
        Apk(v1=None, min_sdk=28, blocks={V3: (_V3,), V31: (_evil(33, LAST),)}),
        "a signature (scheme v3.1) that its signature by scheme v3 does not announce",
    ),
    "v3.1 of a stranger in place of ours": (
        Apk(v1=None, min_sdk=28, blocks={V3: (_OLD,), V31: (_evil(33, LAST),)}),
        "has unrelated signers in scheme v3 and v3.1",
    ),
    "v3.1 of a stranger for releases before 13": (
        Apk(v1=None, min_sdk=28, blocks={V3: (_OLD,), V31: (_evil(28, 32), _NEW)}),
        "a signature (scheme v3.1) that its signature by scheme v3 does not announce",
    ),
    "v3.1 of a stranger for a preview": (
        Apk(v1=None, blocks={V3: (_OLD,), V31: (_evil(33, LAST, attributes={DEV_RELEASE: b""}),)}),
        "has unrelated signers in scheme v3 and v3.1",
    ),
    "v3.1 without v3": (
        Apk(v1=None, blocks={V2: (_V2,), V31: (_evil(33, LAST),)}),
        "a signature (scheme v3.1) that its signature by scheme v3 does not announce",
    ),
    "v3.1 for another release than announced": (
        _v31(replace(_NEW, sdk=(34, LAST))),
        "a signature (scheme v3.1) that its signature by scheme v3 does not announce",
    ),
    # Where Android would not know whom to name, or refuse.
    "two v3 signers for one release": (
        _v3(replace(_V3, sdk=(28, 33)), replace(_V3, sdk=(33, LAST))),
        "has two signers for Android's API level 33 (scheme v3)",
    ),
    "two v3.1 signers for one release": (
        _v31(_NEW, replace(_NEW, sdk=(35, LAST))),
        "has two signers for Android's API level 35 (scheme v3.1)",
    ),
    "no v3 signer for a release": (_v3(replace(_V3, sdk=(30, LAST))), "has no signer for Android's API level 28"),
    "no v3 signer for the newest release": (_v3(replace(_V3, sdk=(28, 36))), "no signer for Android's API level 37"),
    "v3 range that ends before it begins": (_v3(replace(_V3, sdk=(33, 28))), "has a broken signature (scheme v3)"),
    # Our certificate, and another's key.
    "key of a stranger under our certificate, v2": (
        Apk(v1=None, blocks={V2: (BlockSigner(identity=STRANGER, certificate=OWNER, spki=STRANGER.spki),)}),
        "is signed by another key than its certificate's (scheme v2)",
    ),
    "key of a stranger under our certificate, v3": (
        _v3(_evil(28, LAST, certificate=OWNER, spki=STRANGER.spki)),
        "is signed by another key than its certificate's (scheme v3)",
    ),
    # Digests and signatures that do not belong together.
    "signature without its digest": (
        Apk(v1=None, blocks={V2: (replace(_V2, digests=(ECDSA_SHA512,), signatures=(ECDSA_SHA256,)),)}),
        "has a broken signature (scheme v2)",
    ),
    "digest without its signature": (
        Apk(v1=None, blocks={V2: (replace(_V2, digests=(ECDSA_SHA256, ECDSA_SHA512), signatures=(ECDSA_SHA256,)),)}),
        "has a broken signature (scheme v2)",
    ),
    "digests in another order": (
        Apk(
            v1=None,
            blocks={V2: (replace(_V2, digests=(ECDSA_SHA512, ECDSA_SHA256), signatures=(ECDSA_SHA256, ECDSA_SHA512)),)},
        ),
        "has a broken signature (scheme v2)",
    ),
    "algorithm twice": (
        Apk(v1=None, blocks={V2: (replace(_V2, digests=(ECDSA_SHA256,) * 2, signatures=(ECDSA_SHA256,) * 2),)}),
        "has a broken signature (scheme v2)",
    ),
    # Lineages.
    "lineage that we did not sign": (
        _v31(_evil(33, LAST, attributes={PROOF: lineage(OWNER, STRANGER, forge=True)})),
        "has a lineage of signing certificates that was forged",
    ),
    "lineage of the stranger's own": (
        _v31(_evil(33, LAST, attributes={PROOF: lineage(ROTATED, STRANGER)})),
        "has unrelated signers in scheme v3 and v3.1",
    ),
    "lineage that leaves ours": (
        Apk(
            v1=None,
            min_sdk=28,
            blocks={
                V3: (_OLD,),
                V31: (replace(_NEW, sdk=(33, 34)), _evil(35, LAST, attributes={PROOF: lineage(OWNER, STRANGER)})),
            },
        ),
        "has unrelated signers in scheme v3 and v3.1",
    ),
    "two lineages in one signer": (
        _v31(replace(_NEW, attributes=[(PROOF, lineage(OWNER, ROTATED)), (PROOF, lineage(STRANGER, ROTATED))])),
        "has a broken signature (scheme v3.1)",
    ),
    "bytes behind a certificate of the lineage": (
        _v31(replace(_NEW, attributes={PROOF: lineage(OWNER, ROTATED) + b"\0\0\0\0"})),
        "has a broken lineage",
    ),
    "new key in v2, which is the old one's place": (
        Apk(v1=None, blocks={V2: (BlockSigner(identity=ROTATED),), V3: (_OLD,), V31: (_NEW,)}),
        "has unrelated signers in schemes v2 and v3",
    ),
    # What else may lie in the block.
    "scheme v3.2 of a stranger": (Apk(beside={V32: b"x"}), "is signed by scheme v3.2"),
    "v3.2 removed": (
        _v3(replace(_V3, attributes={HYBRID_MIN_SDK: struct.pack("<L", 37)})),
        "was signed by scheme v3.2 as well, and that signature was removed",
    ),
    "id that is not known": (Apk(beside={UNKNOWN: b"evil"}), "that is not known: id 0x71777777"),
    "padding that is none": (Apk(beside={PADDING: b"\0\0evil"}), "has something in the padding"),
    "block without a signature": (
        Apk(blocks={}, beside={PADDING: bytes(8)}),
        "has an APK Signing Block without a signature",
    ),
    "v3 removed from a file that v1 says it had": (
        Apk(v1=JarSignature(schemes="2, 3"), blocks={V2: (_V2,)}),
        "was signed by a newer scheme as well, and that signature was removed",
    ),
    "stranger alone": (
        Apk(v1=None, min_sdk=24, blocks={V2: (_EVIL,), V3: (_evil(28, LAST),)}),
        NOT_REGISTERED,
    ),
    "stranger with a lineage of other keys": (
        Apk(v1=None, min_sdk=28, blocks={V3: (_evil(28, LAST, attributes={PROOF: lineage(ROTATED, STRANGER)}),)}),
        f"is signed by {STRANGER.digest}, {ROTATED.digest}, which is not registered for demo",
    ),
}


@pytest.mark.parametrize("name", POISONED)
def test_poisoned_file_is_not_taken(not_taken: NotTaken, name: str) -> None:
    """The app is registered from the genuine file, and nothing of the stranger's gets in without being said."""
    poisoned, reason = POISONED[name]
    assert reason in not_taken(poisoned.build(), genuine=GENUINE)


@pytest.mark.parametrize(
    "poisoned",
    [
        Apk(v1=None, min_sdk=24, blocks={V2: (_V2, _EVIL)}),
        Apk(v1_beside=(JarSignature(identity=STRANGER, name="META-INF/EVIL.SF"),), blocks={}),
    ],
)
def test_two_signers_are_not_taken_by_the_first_file_either(not_taken: NotTaken, poisoned: Apk) -> None:
    """Nothing is registered yet, so nothing is strange; two signers that do not vouch for each other are."""
    assert "has signers that do not vouch for each other" in not_taken(poisoned.build(), genuine=None)


@pytest.mark.parametrize(
    ("apk", "named"),
    [
        (Apk(), (OWNER.digest,)),
        (_v3(replace(_V3, sdk=(28, 32)), replace(_V3, sdk=(33, LAST))), (OWNER.digest,)),
        (_v31(_NEW), (OWNER.digest, ROTATED.digest)),
        # Only Android 13 and later run it: the old key is named by its lineage alone.
        (replace(_v31(_NEW), min_sdk=33), (ROTATED.digest, OWNER.digest)),
        # Of three keys Android names the oldest and the current one.
        (
            _v31(_NEW_THIRD),
            (OWNER.digest, THIRD.digest),
        ),
        (
            _v31(
                replace(_NEW, sdk=(33, 34)),
                replace(_NEW_THIRD, sdk=(35, LAST)),
            ),
            (OWNER.digest, ROTATED.digest, THIRD.digest),
        ),
        (
            _v31(
                replace(_NEW, attributes={PROOF: lineage(OWNER, ROTATED), DEV_RELEASE: b""}),
                old=replace(_OLD, sdk=(28, 33)),
            ),
            (OWNER.digest, ROTATED.digest),
        ),
        # A release of the preview's level passes the preview's signer over; one before 13 knows no v3.1.
        (
            Apk(
                v1=None,
                min_sdk=33,
                blocks={
                    V3: (replace(_NEW, sdk=(28, 33), attributes={**FROM_33, **_NEW_PROOF}),),
                    V31: (replace(_NEW_THIRD, attributes={**_THIRD_PROOF, DEV_RELEASE: b""}),),
                },
            ),
            (ROTATED.digest, OWNER.digest, THIRD.digest),
        ),
        (
            Apk(
                v1=None,
                min_sdk=30,
                blocks={
                    V3: (replace(_NEW, sdk=(28, LAST), attributes={ROTATION_MIN_SDK: b"\x1e\0\0\0", **_NEW_PROOF}),),
                    V31: (replace(_NEW_THIRD, sdk=(30, LAST)),),
                },
            ),
            (ROTATED.digest, OWNER.digest, THIRD.digest),
        ),
        (Apk(beside={PADDING: bytes(4_000), 0x504B4453: b"dependencies", 0x6DFF800D: b"stamp"}), (OWNER.digest,)),
    ],
)
def test_signers_are_those_that_android_names(read: Read, apk: Apk, named: tuple[str, ...]) -> None:
    """The controls: every genuine form names exactly these."""
    assert read(apk.build()).signing_digests == named


def test_middle_key_of_a_lineage_links_and_is_not_registered(read: Read) -> None:
    """The app is registered by its second key; the third vouches by the lineage, and the first comes along."""
    apk = _v31(_NEW_THIRD)
    artefact = read(apk.build())
    stands = Registration(app="demo", android_packages=("org.example.demo",), android_signing_digests=(ROTATED.digest,))
    assert what_is_new(stands, artefact) == ()
    joined = with_artefact(stands, artefact)
    assert joined.android_signing_digests == (ROTATED.digest, OWNER.digest, THIRD.digest)
