"""APKs: what is read of one, and that one change to it is one sentence."""

from __future__ import annotations

import struct
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256

import apk_info
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from bonafide.artefacts.artefact import ArtefactError

from .conftest import Read, Refused
from .minted_apk import (
    ECDSA_SHA256,
    ECDSA_SHA512,
    ECDSA_VERITY,
    OWNER,
    ROTATED,
    RSA_PKCS1_SHA256,
    RSA_PSS_SHA256,
    STRANGER,
    V2,
    V3,
    V31,
    Apk,
    Attributes,
    BlockSigner,
    JarSignature,
    lineage,
    signing_block,
)
from .minted_archive import Identity, listed, prefixed, with_block, zipped

PROOF, ROTATION_MIN_SDK, NEWER = 0x3BA06F8C, 0x559F8B02, 0xBEEFF00D
ALL, BEFORE_13, FROM_13 = (28, 0x7FFFFFFF), (28, 32), (33, 0x7FFFFFFF)
SIGNED_BEFORE_13 = BlockSigner(sdk=BEFORE_13, attributes={ROTATION_MIN_SDK: struct.pack("<L", 33)})
SIGNED_FROM_13 = BlockSigner(identity=ROTATED, sdk=FROM_13, attributes={PROOF: lineage(OWNER, ROTATED)})
ROTATING = Apk(blocks={V2: (BlockSigner(),), V3: (SIGNED_BEFORE_13,), V31: (SIGNED_FROM_13,)})
JAR_ONLY = Apk(blocks={})
RSA = Identity("owner of an RSA key", key=rsa.generate_private_key(65537, 2048))


def _hex(content: bytes) -> str:
    return sha256(content).hexdigest()


def _roles(read: Read, apk: Apk) -> list[tuple[str, str]]:
    return [(signer.digest, signer.role) for signer in read(apk.build()).signers]


# --- what is read -----------------------------------------------------------------------------------------------------


def test_signed_app_is_read(read: Read) -> None:
    """The default that every mutation below changes in one place."""
    artefact = read(Apk().build())
    assert (artefact.platform, artefact.name, artefact.build) == ("android", "org.example.demo", "42")
    assert (artefact.version_name, artefact.remarks) == ("1.2", ())
    assert artefact.signing_digests == (OWNER.digest,)
    assert [signer.scheme for signer in artefact.signers] == ["v2", "v3", "v1"]


def test_baseline_names_code_resources_and_folders(read: Read) -> None:
    """Names and digests as docs/app-registration.md has them; META-INF, covered by nothing, is no part."""
    files = Apk().files
    folder = f"{_hex(b'a')}  a.txt\n{_hex(b'b')}  deep/b.txt\n"
    parts = dict(read(Apk().build()).parts)
    assert len(parts.pop("AndroidManifest.xml")) == 64
    assert parts == {
        **{
            name: _hex(files[name])
            for name in ("classes.dex", "classes2.dex", "lib/arm64-v8a/libapp.so", "resources.arsc")
        },
        "assets": _hex(folder.encode()),
    }


def test_parts_of_a_split_carry_its_name_except_native_libraries(read: Read) -> None:
    """A library is known by its path, whichever split it comes in."""
    root: Attributes = {"package": "org.example.demo", "split": "feature_maps", "versionCode": 42}
    parts = read(Apk(root=root).build()).parts
    assert {"feature_maps:classes.dex", "feature_maps:assets", "lib/arm64-v8a/libapp.so"} <= parts.keys()
    assert "classes.dex" not in parts


def test_version_code_has_64_bits(read: Read) -> None:
    """As key attestation reports it: versionCodeMajor above versionCode."""
    root: Attributes = {"package": "org.example.demo", "versionCode": 42, "versionCodeMajor": 1}
    assert read(Apk(root=root).build()).build == str((1 << 32) + 42)


def test_rotated_signers_are_all_found(read: Read) -> None:
    """Android before 13 sees the first certificate, later releases the second: several digests of one app."""
    assert _roles(read, ROTATING) == [
        (OWNER.digest, "signature v2"),
        (OWNER.digest, "signature v3"),
        (ROTATED.digest, "signature v3.1, from Android 13"),
        (OWNER.digest, "signature v3.1, earlier in its lineage"),
        (OWNER.digest, "signature v1"),
    ]


@pytest.mark.parametrize(
    "signer",
    [
        BlockSigner(algorithm=ECDSA_SHA512),
        BlockSigner(algorithm=ECDSA_VERITY),
        BlockSigner(identity=RSA, algorithm=RSA_PKCS1_SHA256),
        BlockSigner(identity=RSA, algorithm=RSA_PSS_SHA256),
    ],
)
def test_every_way_of_signing_is_verified(read: Read, signer: BlockSigner) -> None:
    """Both digests, both kinds of padding, and fs-verity's tree."""
    assert _roles(read, Apk(v1=None, blocks={V2: (signer,)})) == [(signer.identity.digest, "signature v2")]


def test_several_signers_at_once_are_several_digests(read: Read) -> None:
    """Evidence will name both, so both must be registered."""
    apk = Apk(v1=None, blocks={V2: (BlockSigner(), BlockSigner(identity=ROTATED))})
    assert read(apk.build()).signing_digests == (OWNER.digest, ROTATED.digest)


@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
def test_jar_signature_alone_is_read_and_remarked_upon(read: Read, algorithm: str) -> None:
    """Old apps have no other; what it leaves uncovered is said."""
    artefact = read(Apk(v1=JarSignature(algorithm=algorithm), blocks={}).build())
    assert [signer.role for signer in artefact.signers] == ["signature v1"]
    assert "scheme v1 alone" in artefact.remarks[0]


def test_jar_signature_that_no_device_checks_is_not_read(read: Read) -> None:
    """From Android 7 on the newer schemes decide; what tools left behind of v1 does not matter."""
    broken = JarSignature(manifest=lambda text: text + b"x: y\r\n")
    assert _roles(read, Apk(v1=broken, min_sdk=24)) == [(OWNER.digest, "signature v2"), (OWNER.digest, "signature v3")]


def test_debuggable_app_is_remarked_upon(read: Read) -> None:
    """It can be registered, for a development stack."""
    assert "It is debuggable" in read(Apk(application={"debuggable": True}).build()).remarks[0]


# --- one change, one sentence -----------------------------------------------------------------------------------------


def _flip(signature: bytes) -> bytes:
    return signature[:-1] + bytes([signature[-1] ^ 1])


def _changed(name: str, content: bytes | None) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    def change(files: dict[str, bytes]) -> dict[str, bytes]:
        rest = {other: body for other, body in files.items() if other != name}
        return rest if content is None else {**rest, name: content}

    return change


def _v3(**changes: object) -> Mapping[int, tuple[BlockSigner, ...]]:
    return {V3: (replace(BlockSigner(sdk=ALL), **changes),)}  # type: ignore[arg-type]


MUTATIONS = {
    "unsigned": (Apk(v1=None, blocks={}), "is not signed."),
    "v2 signature": (Apk(blocks={V2: (BlockSigner(signature=_flip),)}), "is not signed as it says (scheme v2)"),
    "v3 signature": (Apk(blocks=_v3(signature=_flip)), "is not signed as it says (scheme v3)"),
    "v2 digest": (Apk(blocks={V2: (BlockSigner(content_digest=_flip),)}), "was changed after it was signed"),
    "dex changed": (Apk(after_signing=_changed("classes.dex", b"evil")), "was changed after it was signed"),
    "dex added": (Apk(after_signing=_changed("classes3.dex", b"evil")), "was changed after it was signed"),
    "META-INF changed": (
        Apk(after_signing=_changed("META-INF/services/x", b"evil")),
        "was changed after it was signed",
    ),
    "file removed": (Apk(after_signing=_changed("assets/a.txt", None)), "was changed after it was signed"),
    "verity tree": (
        Apk(blocks={V2: (BlockSigner(algorithm=ECDSA_VERITY),)}, after_signing=_changed("classes.dex", b"evil")),
        "was changed after it was signed",
    ),
    "key of another": (Apk(blocks={V2: (BlockSigner(spki=STRANGER.spki),)}), "is not signed as it says"),
    "sdk range outside": (Apk(blocks=_v3(signed_sdk=(24, 27))), "has a broken signature (scheme v3)"),
    "unknown algorithm": (
        Apk(v1=None, blocks={V2: (BlockSigner(algorithm=0x7777),)}),
        "signed by algorithms that are not known",
    ),
    "wrong kind of key": (Apk(blocks={V2: (BlockSigner(identity=RSA),)}), "is not signed as it says"),
    "salt of another length": (
        Apk(v1=None, blocks={V2: (BlockSigner(identity=RSA, algorithm=RSA_PSS_SHA256, salt=20),)}),
        "is not signed as it says",
    ),
    "no signer": (Apk(v1=None, blocks={V2: ()}), "has a broken signature (scheme v2)"),
    "v3 stripped": (
        Apk(blocks={V2: (BlockSigner(attributes={NEWER: struct.pack("<L", 3)}),)}),
        "was signed by scheme v3 as well, and that signature was removed",
    ),
    "v3.1 stripped": (
        Apk(blocks={V2: (BlockSigner(),), V3: (SIGNED_BEFORE_13,)}),
        "was signed by scheme v3.1 as well, and that signature was removed",
    ),
    "lineage forged": (
        Apk(blocks={V3: (replace(SIGNED_FROM_13, attributes={PROOF: lineage(OWNER, ROTATED, forge=True)}),)}),
        "has a lineage of signing certificates that was forged",
    ),
    "lineage of another": (
        Apk(blocks={V3: (replace(SIGNED_FROM_13, attributes={PROOF: lineage(OWNER, STRANGER)}),)}),
        "does not end with its signer",
    ),
    "lineage in a circle": (
        Apk(blocks={V3: (replace(SIGNED_FROM_13, attributes={PROOF: lineage(OWNER, ROTATED, OWNER, ROTATED)}),)}),
        "has a lineage of signing certificates that was forged",
    ),
    "lineage cut off": (
        Apk(blocks={V3: (replace(SIGNED_FROM_13, attributes={PROOF: lineage(OWNER, ROTATED)[:-3]}),)}),
        "has a broken lineage",
    ),
    "lineage too new": (
        Apk(blocks={V3: (replace(SIGNED_FROM_13, attributes={PROOF: b"\2\0\0\0"}),)}),
        "too new to be read",
    ),
    "stranger's v2 over our v1": (
        Apk(blocks={V2: (BlockSigner(identity=STRANGER),)}),
        "has unrelated signers in schemes v1 and v2",
    ),
    "stranger's v3 over our v2": (
        Apk(blocks={V2: (BlockSigner(),), V3: (BlockSigner(identity=STRANGER, sdk=ALL),)}),
        "has unrelated signers in schemes v1 and v3",
    ),
    "jar entry changed": (
        JAR_ONLY.with_(after_signing=_changed("classes.dex", b"evil")),
        "was changed after it was signed: classes.dex is another one",
    ),
    "jar entry added": (
        JAR_ONLY.with_(after_signing=_changed("classes3.dex", b"evil")),
        "has an entry that its signature leaves out: classes3.dex",
    ),
    "jar entry removed": (
        JAR_ONLY.with_(after_signing=_changed("assets/a.txt", None)),
        "was changed after it was signed: assets/a.txt was removed",
    ),
    "jar entry left out": (
        JAR_ONLY.with_(v1=JarSignature(left_out=frozenset({"classes2.dex"}))),
        "has an entry that its signature leaves out: classes2.dex",
    ),
    "jar manifest changed": (
        JAR_ONLY.with_(v1=JarSignature(manifest=lambda text: text.replace(b"1.0", b"1.1", 1))),
        "its manifest is another one",
    ),
    "jar signature file changed": (
        JAR_ONLY.with_(v1=JarSignature(signature_file=lambda text: text + b"\r\n")),
        "META-INF/CERT.EC does not verify",
    ),
    "jar signature missing": (
        JAR_ONLY.with_(after_signing=_changed("META-INF/CERT.EC", None)),
        "has 0 signatures where META-INF/CERT.SF needs one",
    ),
    "jar manifest missing": (
        JAR_ONLY.with_(after_signing=_changed("META-INF/MANIFEST.MF", None)),
        "has no META-INF/MANIFEST.MF",
    ),
    "v2 stripped": (
        JAR_ONLY.with_(v1=JarSignature(schemes="2, 3")),
        "was signed by a newer scheme as well, and that signature was removed",
    ),
    "no package": (Apk(root={"versionCode": 42}), "a manifest without a package name"),
    "odd package": (Apk(root={"package": "demo", "versionCode": 42}), "a manifest without a package name"),
    "no version code": (Apk(root={"package": "org.example.demo"}), "a manifest without a version code"),
    "version code is text": (
        Apk(root={"package": "org.example.demo", "versionCode": "new"}),
        "a manifest without a version code",
    ),
    "odd split": (
        Apk(root={"package": "org.example.demo", "versionCode": 42, "split": "a b"}),
        "a manifest with an odd split name",
    ),
    "manifest cut off": (Apk(manifest=lambda manifest: manifest[:60]), "has a manifest that cannot be read"),
    "manifest is text": (Apk(manifest=lambda _: b"<manifest/>"), "has a manifest that cannot be read"),
    "too many parts": (
        Apk(v1=None, files={f"lib/arm64-v8a/lib{n}.so": b"x" for n in range(1_501)}),
        "parts to measure: at most 1500",
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_one_change_is_one_sentence(refused: Refused, name: str) -> None:
    """Nothing that was tampered with, and nothing that cannot be read, is registered."""
    apk, sentence = MUTATIONS[name]
    assert sentence in refused(apk.build())


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        (signing_block([(V2, b"x"), (V2, b"y")]), "has a broken APK Signing Block"),
        (signing_block({})[8:], "has a broken APK Signing Block"),
        (bytes(8) + signing_block({})[8:], "has a broken APK Signing Block"),
        (signing_block({V2: prefixed(b"")})[:8] + b"\xff" * 16 + signing_block({V2: prefixed(b"")})[24:], "broken APK"),
        (b"x" * 8 + b"\xff" * 8 + b"APK Sig Block 42", "an impossible size"),
        (signing_block({V2: b"\xff\xff\xff\x7f"}), "has a broken signature"),
        (signing_block({V2: listed([b""])}), "has a broken signature"),
        (signing_block({V2: listed([]) + b"x"}), "has a broken signature"),
    ],
)
def test_broken_signing_block_is_one_sentence(refused: Refused, block: bytes, sentence: str) -> None:
    """Lengths that lie, and two blocks of one scheme."""
    assert sentence in refused(with_block(Apk(v1=None, blocks={}).build(), block))


@pytest.mark.parametrize(
    ("files", "name", "sentence"),
    [
        ({"base/manifest/AndroidManifest.xml": b"", "BundleConfig.pb": b""}, "app.apk", "is an app bundle"),
        ({"splits/base-master.apk": b""}, "app.apk", "is a set of APKs"),
        ({"a.txt": b""}, "app.apk", "is no Android package"),
        ({"a.txt": b""}, "app.aab", "is an app bundle"),
        ({"a.txt": b""}, "app.apks", "is a set of APKs"),
        ({"a.txt": b""}, "app.zip", "is neither an .apk nor an .ipa nor a .hap"),
    ],
)
def test_other_kinds_of_file_are_told_apart(
    refused: Refused, files: dict[str, bytes], name: str, sentence: str
) -> None:
    """What people have at hand instead of an APK."""
    assert sentence in refused(zipped(files), name)


def test_algorithms_of_the_tests_are_androids() -> None:
    """ECDSA with SHA-256 is 0x0201; the writer and the reader share no constant."""
    from bonafide.artefacts.android.signers import ALGORITHMS

    assert {ECDSA_SHA256, ECDSA_SHA512, ECDSA_VERITY, RSA_PKCS1_SHA256, RSA_PSS_SHA256} <= ALGORITHMS.keys()


def test_refusal_keeps_no_object_of_the_library(read: Read) -> None:
    """It may end only in the thread that made it, and the error may be kept by another one."""
    with pytest.raises(ArtefactError) as refused:
        read(Apk(root={"package": "org.example.demo"}).build())
    frames = [frame for frame, _ in traceback.walk_tb(refused.tb)]
    assert frames
    assert not [name for frame in frames for name, value in frame.f_locals.items() if isinstance(value, apk_info.APK)]
