"""HarmonyOS packages: what is read of one, and that one change to it is one sentence."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .conftest import Read, Refused
from .minted_archive import with_block, zipped
from .minted_hap import (
    BUNDLE,
    DEBUG_PROFILE_SIGNER,
    DEVELOPER,
    ECDSA_SHA384,
    P384,
    PROFILE,
    SIGNATURE,
    STRANGER,
    Hap,
    signing_block,
)

HAP = "entry.hap"
POINT = DEVELOPER.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
APP_ID = f"{BUNDLE}_{base64.b64encode(POINT).decode('ascii')}"


def _hex(content: bytes) -> str:
    return sha256(content).hexdigest()


def _flip(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def _changed(name: str, content: bytes | None) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    def change(files: dict[str, bytes]) -> dict[str, bytes]:
        rest = {other: body for other, body in files.items() if other != name}
        return rest if content is None else {**rest, name: content}

    return change


def _profile(**bundle_info: object) -> dict[str, Any]:
    profile = dict(Hap().profile)
    named = {name.replace("_", "-"): value for name, value in bundle_info.items()}
    return {**profile, "bundle-info": {**profile["bundle-info"], **named}}


def _app(**changes: object) -> dict[str, object]:
    return {**Hap().app, **changes}


def test_signed_package_is_read(read: Read) -> None:
    """The default that every mutation below changes in one place. The app id is made as HarmonyOS makes it."""
    artefact = read(Hap().build(), HAP)
    assert (artefact.platform, artefact.name, artefact.build, artefact.version_name) == ("harmony", BUNDLE, "42", "1.2")
    assert (artefact.app_ids, artefact.app_identifiers) == ((APP_ID,), ("5765880207850000001",))
    assert artefact.signing_digests == (DEVELOPER.digest,)
    assert "--harmony-app-id" in artefact.remarks[0]
    assert len(artefact.remarks) == 1


def test_baseline_names_code_and_resources(read: Read) -> None:
    """Names and digests as docs/app-registration.md has them."""
    files = Hap().files
    parts = dict(read(Hap().build(), HAP).parts)
    assert len(parts.pop("module.json")) == 64
    assert parts == {
        **{
            name: _hex(files[name])
            for name in ("ets/modules.abc", "libs/arm64-v8a/libapp.so", "resources.index", "pack.info")
        },
        "resources": _hex(f"{_hex(b'a')}  base/media/a.png\n{_hex(b'b')}  rawfile/b.txt\n".encode()),
    }


def test_parts_of_a_feature_carry_its_name_except_native_libraries(read: Read) -> None:
    """Several modules make one build."""
    parts = read(Hap(module={"name": "maps", "type": "feature"}).build(), "maps.hsp").parts
    assert {"maps:ets/modules.abc", "maps:resources", "libs/arm64-v8a/libapp.so"} <= parts.keys()


@pytest.mark.parametrize(
    "hap",
    [
        Hap(old=True),
        Hap(algorithm=ECDSA_SHA384),
        Hap(module_file="config.json", app={"bundleName": BUNDLE, "version": {"code": 42, "name": "1.2"}}),
    ],
)
def test_other_genuine_forms_are_read(read: Read, hap: Hap) -> None:
    """The older magic number, the stronger digest, the older module description."""
    artefact = read(hap.build(), HAP)
    assert (artefact.build, artefact.version_name, artefact.app_ids) == ("42", "1.2", (APP_ID,))


def test_package_for_debugging_is_remarked_upon(read: Read) -> None:
    """Its app id comes from the development certificate."""
    profile = {**_profile(development_certificate=DEVELOPER.pem, distribution_certificate=""), "type": "debug"}
    artefact = read(Hap(profile=profile, profile_signer=DEBUG_PROFILE_SIGNER).build(), HAP)
    assert artefact.app_ids == (APP_ID,)
    assert "for debugging" in artefact.remarks[-1]


def test_package_without_app_identifier_has_none(read: Read) -> None:
    """Before API 20 there is none."""
    assert read(Hap(profile=_profile(app_identifier=None)).build(), HAP).app_identifiers == ()


def _renamed(cms: bytes) -> bytes:
    """The subject alone: the last of the three places where the signer's name stands before its own signature."""
    first = cms.index(b"Example,Release")
    second = cms.index(b"Example,Release", first + 1)
    return cms[:second] + b"Example,Reversi" + cms[second + 15 :]


MUTATIONS = {
    "unsigned": (Hap(signed=False), "is not signed."),
    "no signature": (Hap(blocks=lambda blocks: {PROFILE: blocks[PROFILE]}), "is not signed."),
    "no profile": (Hap(blocks=lambda blocks: {SIGNATURE: blocks[SIGNATURE]}), "has no provisioning profile"),
    "signature changed": (Hap(signature=_flip), "is not signed as it says"),
    "signature is none": (Hap(signature=lambda _: b"x"), "is not signed as it says: it cannot be read"),
    "signer's certificate altered": (
        Hap(signature=lambda cms: cms.replace(b"Example,Release", b"Example,Reversi")),
        "it was not signed by its signer, or was changed since",
    ),
    "signer's certificate under another name": (
        Hap(signature=_renamed),
        "it does not hold the issuer of its signer's certificate",
    ),
    "digest changed": (Hap(content=_flip), "was changed after it was signed"),
    "digest of a newer kind": (Hap(content=lambda content: b"\3" + content[1:]), "has a broken signature"),
    "digest cut off": (Hap(content=lambda content: content[:-1]), "has a broken signature"),
    "two digests": (Hap(content=lambda c: c[:4] + b"\2" + c[5:]), "has a broken signature"),
    "unknown algorithm": (Hap(algorithm=0x999), "has a broken signature"),
    "code changed": (Hap(after_signing=_changed("ets/modules.abc", b"evil")), "was changed after it was signed"),
    "file added": (Hap(after_signing=_changed("ets/more.abc", b"evil")), "was changed after it was signed"),
    "file removed": (Hap(after_signing=_changed("pack.info", None)), "was changed after it was signed"),
    "profile changed": (Hap(profile_block=_flip), "was changed after it was signed"),
    "sub-blocks in another order": (
        Hap(blocks=lambda blocks: dict(reversed(blocks.items()))),
        "was changed after it was signed",
    ),
    "sub-block twice": (
        Hap(blocks=lambda blocks: [*blocks.items(), (PROFILE, b"")]),
        "has a broken signing block",
    ),
    "profile of another bundle": (Hap(profile=_profile(bundle_name="org.example.other")), "for another bundle"),
    "profile without bundle": (Hap(profile={"type": "release"}), "for another bundle"),
    "profile without certificate": (
        Hap(profile=_profile(distribution_certificate=None)),
        "without a distribution certificate for P-256",
    ),
    "profile with another curve": (
        Hap(profile=_profile(distribution_certificate=P384.pem)),
        "without a distribution certificate for P-256",
    ),
    "profile with two certificates": (
        Hap(profile=_profile(distribution_certificate=DEVELOPER.pem + STRANGER.pem)),
        "without a distribution certificate for P-256",
    ),
    "no bundle name": (Hap(app=_app(bundleName=None)), "has no bundle name"),
    "odd bundle name": (Hap(app=_app(bundleName="demo")), "has no bundle name"),
    "no version code": (Hap(app=_app(versionCode="42")), "has no version code"),
    "version code is a truth": (Hap(app=_app(versionCode=True)), "has no version code"),
    "negative version code": (Hap(app=_app(versionCode=-1)), "has no version code"),
    "module is none": (Hap(after_signing=_changed("module.json", b"{")), "has a module.json that cannot be read"),
    "module is a list": (Hap(after_signing=_changed("module.json", b"[]")), "has a module.json that cannot be read"),
    "module is deep": (
        Hap(after_signing=_changed("module.json", b"[" * 100_000)),
        "has a module.json that cannot be read",
    ),
    "no app in module": (
        Hap(after_signing=_changed("module.json", b'{"app": 1, "module": {}}')),
        "has a module.json that cannot be read",
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_one_change_is_one_sentence(refused: Refused, name: str) -> None:
    """Nothing that was tampered with, and nothing that cannot be read, is registered."""
    hap, sentence = MUTATIONS[name]
    assert sentence in refused(hap.build(), HAP)


@pytest.mark.parametrize("profile", [b"{", b"[]", b"\xff"])
def test_profile_that_is_no_object_is_one_sentence(refused: Refused, profile: bytes) -> None:
    """Soundly signed nonsense."""
    hap = Hap(profile_text=profile)
    assert "has a provisioning profile that cannot be read" in refused(hap.build(), HAP)


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        (struct.pack("<LQ16sL", 0, 31, b"<hap sign block>", 3), "of an impossible size"),
        (struct.pack("<LQ16sL", 1, 32, b"<hap sign block>", 3), "of an impossible size"),
        (struct.pack("<LQ16sL", 0, 1 << 40, b"<hap sign block>", 3), "of an impossible size"),
        (struct.pack("<LQ16sL", 99, 32, b"<hap sign block>", 3), "of an impossible size"),
        (struct.pack("<3LLQ16sL", 1, 1, 12, 1, 44, b"<hap sign block>", 3), "has a broken signing block"),
        (struct.pack("<3LLQ16sL", 1, 0, 0, 1, 44, b"<hap sign block>", 3), "has a broken signing block"),
        (struct.pack("<3LLQ16sL", 1, 0xFFFFFFFF, 12, 1, 44, b"<hap sign block>", 3), "has a broken signing block"),
        (signing_block({}), "is not signed"),
    ],
)
def test_broken_signing_block_is_one_sentence(refused: Refused, block: bytes, sentence: str) -> None:
    """Sizes and offsets that lie."""
    assert sentence in refused(with_block(Hap(signed=False).build(), block), HAP)


@pytest.mark.parametrize(
    ("files", "name", "sentence"),
    [
        ({"entry-default.hap": b""}, "app.hap", "is a set of packages"),
        ({"a.txt": b""}, "app.hap", "is no HarmonyOS package"),
        ({"a.txt": b""}, "demo.app", "is a set of packages"),
    ],
)
def test_other_kinds_of_file_are_told_apart(
    refused: Refused, files: dict[str, bytes], name: str, sentence: str
) -> None:
    """What people have at hand instead of a package."""
    assert sentence in refused(zipped(files), name)
