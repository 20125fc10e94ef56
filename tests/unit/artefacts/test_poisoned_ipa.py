"""iOS apps of ours with a part replaced or added where the signature was not followed: each has one named reason."""

from __future__ import annotations

import hashlib
import plistlib
import struct
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from .conftest import NotTaken, Read
from .minted_ipa import (
    ARM64,
    BUNDLE,
    CODE,
    DEVELOPER,
    NESTED,
    OTHER_TEAM,
    TEAM,
    Ipa,
    Signing,
    cdhash,
    fat,
    mach_o,
    nested_bundle,
)

IPA = "app.ipa"
GENUINE = Ipa().build()
STRANGERS = nested_bundle(b"evil" * 1_500, signing=Signing(identity=OTHER_TEAM))
Files = dict[str, bytes]


def _with(more: Mapping[str, bytes | None]) -> Ipa:
    def change(files: Files) -> Files:
        return {name: body for name, body in {**files, **more}.items() if body is not None}

    return Ipa(after_signing=change)


def _nested(more: Mapping[str, bytes | None]) -> Ipa:
    return _with({f"{NESTED}/{path}": body for path, body in more.items()})


def _executable(change: Callable[[bytes], bytes]) -> Ipa:
    return Ipa(after_signing=lambda files: {**files, "Demo": change(files["Demo"])})


def _sealed(path: str, how: object, body: bytes) -> Ipa:
    """A further file, on the list as ``how``."""
    return Ipa(omit={path: how}, after_signing=lambda files: {**files, path: body})


def _dylib(code: bytes, identity: Any = DEVELOPER) -> bytes:
    signing = Signing(identity=identity)
    return mach_o(code, sign=lambda body: signing.sign(body, info_plist=None, resources=None))


def _two(second: Callable[[bytes], bytes]) -> Ipa:
    return Ipa(signing=Signing(hashing=("sha1", "sha256"), second=second))


def _bent(at: int) -> Callable[[bytes], bytes]:
    """One byte of a code directory changed, counted from where its digests of pages begin."""

    def bend(directory: bytes) -> bytes:
        position = int.from_bytes(directory[16:20], "big") + at
        return directory[:position] + bytes([directory[position] ^ 1]) + directory[position + 1 :]

    return bend


def _two_slices(ours: bytes, theirs: bytes) -> bytes:
    """A universal file with two slices for ARM64: the table is made for two, then both say the same."""
    made = fat({1: ours, ARM64: theirs})
    return made[:8] + ARM64.to_bytes(4, "big") + made[12:]


def _renumbered(ours: bytes) -> bytes:
    """The entitlements lie in another slot of the signature, where requirements belong."""
    start = ours.index(b"\xfa\xde\x0c\xc0")
    slot = ours.index((5).to_bytes(4, "big"), start + 12)
    return ours[:slot] + (2).to_bytes(4, "big") + ours[slot + 4 :]


def _signed_twice(ours: bytes) -> bytes:
    """A second command that names the signature, in place of the one about encryption."""
    position = ours.index(struct.pack("<2L", 0x2C, 24))
    place = ours[ours.index(struct.pack("<2L", 0x1D, 16)) :][8:16]
    return ours[:position] + struct.pack("<2L", 0x1D, 24) + place + ours[position + 16 :]


def _deep(levels: int) -> Ipa:
    nested = nested_bundle()
    for _ in range(levels):
        nested = nested_bundle(inner=nested)
    return Ipa(nested=nested)


OURS = _dylib(b"ours" * 500)
WAS_CHANGED = "was changed after it was signed"
POISONED = {
    # Code that is sealed by its code directory alone.
    "nested code of a stranger": (_nested(STRANGERS), f"{WAS_CHANGED}: {NESTED} is other code"),
    "nested code of our own from elsewhere": (
        _nested(nested_bundle(b"older" * 900)),
        f"{WAS_CHANGED}: {NESTED} is other code",
    ),
    "nested executable alone": (
        _nested({"Nested": STRANGERS["Nested"]}),
        f"{WAS_CHANGED}: {NESTED} is other code",
    ),
    "nested Info.plist": (
        _nested({"Info.plist": plistlib.dumps({"CFBundleExecutable": "Nested", "evil": True})}),
        f"{NESTED}/Nested in app.ipa cannot be registered: what its signature seals was changed",
    ),
    "nested list of resources": (
        _nested({"_CodeSignature/CodeResources": plistlib.dumps({"files2": {}})}),
        f"{NESTED}/Nested in app.ipa cannot be registered: what its signature seals was changed",
    ),
    "nested resource changed": (_nested({"nested.txt": b"evil"}), f"{WAS_CHANGED}: {NESTED}/nested.txt is another one"),
    "nested resource removed": (_nested({"nested.txt": None}), f"{WAS_CHANGED}: {NESTED}/nested.txt was removed"),
    "nested file added": (_nested({"evil.jsbundle": b"evil"}), f"{WAS_CHANGED}: {NESTED}/evil.jsbundle was added"),
    "nested code removed": (
        _nested(dict.fromkeys(nested_bundle())),
        f"{WAS_CHANGED}: {NESTED} was removed",
    ),
    "nested executable named anew": (
        _nested({"Info.plist": plistlib.dumps({"CFBundleExecutable": "nested.txt"})}),
        f"{NESTED}/nested.txt in app.ipa is no executable",
    ),
    "nested code without executable": (
        _nested({"Info.plist": plistlib.dumps({})}),
        f"{NESTED} in app.ipa has no executable",
    ),
    "library of a stranger": (
        _sealed("Frameworks/a.dylib", {"cdhash": cdhash(OURS)}, _dylib(b"evil" * 500, OTHER_TEAM)),
        f"{WAS_CHANGED}: Frameworks/a.dylib is other code",
    ),
    "library that is sealed by a requirement alone": (
        _sealed("Frameworks/a.dylib", {"requirement": "anchor apple generic"}, OURS),
        "seals Frameworks/a.dylib in a way that is not known",
    ),
    "link that leads elsewhere": (
        _sealed("link", {"symlink": "main.jsbundle"}, b"evil.jsbundle"),
        f"{WAS_CHANGED}: link is another one",
    ),
    # Files beside the sealed ones.
    "code added": (
        _with({"Frameworks/Evil.framework/Evil": _dylib(b"evil" * 500, OTHER_TEAM)}),
        f"{WAS_CHANGED}: Frameworks/Evil.framework/Evil was added",
    ),
    "script added": (_with({"evil.jsbundle": b"evil"}), f"{WAS_CHANGED}: evil.jsbundle was added"),
    "asset added": (
        _with({"Frameworks/App.framework/flutter_assets/evil": b"evil"}),
        f"{WAS_CHANGED}: Frameworks/App.framework/flutter_assets/evil was added",
    ),
    "asset added under a name that may lie anywhere": (
        _with({"Frameworks/App.framework/flutter_assets/.DS_Store": b"evil"}),
        f"{WAS_CHANGED}: Frameworks/App.framework/flutter_assets/.DS_Store was added",
    ),
    "code added under a name that may lie anywhere": (
        _with({"PkgInfo": _dylib(b"evil" * 500, OTHER_TEAM)}),
        f"{WAS_CHANGED}: PkgInfo was added",
    ),
    # Two code directories: iOS takes the one with the better digest, CMS signs the first.
    "second directory with other pages": (_two(_bent(0)), "its code was changed after it was signed"),
    "second directory with another Info.plist": (
        _two(_bent(-32)),
        "what its signature seals was changed after it was signed",
    ),
    "second directory with other resources": (
        _two(_bent(-3 * 32)),
        "what its signature seals was changed after it was signed",
    ),
    "second directory with other entitlements": (
        _two(_bent(-5 * 32)),
        "what its signature seals was changed after it was signed",
    ),
    "second directory for another team": (
        _two(lambda directory: directory.replace(TEAM.encode(), b"EVILTEAM99")),
        "its code directories speak of different apps",
    ),
    "second directory for another app": (
        _two(lambda directory: directory.replace(BUNDLE.encode(), b"org.example.evil")),
        "its code directories speak of different apps",
    ),
    # The executable itself.
    "two slices for one processor": (
        _executable(lambda ours: _two_slices(ours, mach_o(b"evil" * 500))),
        "is no executable for iOS that can be read",
    ),
    "two signatures": (_executable(_signed_twice), "is no executable for iOS that can be read"),
    "code within code without end": (_deep(9), "nests code more than 8 levels deep"),
    "bytes behind the signature": (
        _executable(lambda ours: ours + b"evil"),
        "is no executable for iOS that can be read",
    ),
    "entitlements where requirements belong": (
        _executable(_renumbered),
        "what its signature seals was changed after it was signed",
    ),
}


@pytest.mark.parametrize("name", POISONED)
def test_poisoned_app_is_not_taken(not_taken: NotTaken, name: str) -> None:
    """The app is registered from the genuine archive; the other one registers nothing."""
    poisoned, reason = POISONED[name]
    assert reason in not_taken(poisoned.build(), genuine=GENUINE, name=IPA)


def _hash2(content: bytes) -> dict[str, bytes]:
    return {"hash2": hashlib.sha256(content).digest()}


@pytest.mark.parametrize(
    "ipa",
    [
        _sealed("Frameworks/a.dylib", {"cdhash": cdhash(OURS)}, OURS),
        _sealed("link", {"symlink": "main.jsbundle"}, b"main.jsbundle"),
        _sealed("old.txt", hashlib.sha1(b"old").digest(), b"old"),  # noqa: S324 - as old lists have it
        _sealed("new.txt", _hash2(b"new"), b"new"),
        Ipa(signing=Signing(hashing=("sha1", "sha256"))),
        _with({"PkgInfo": b"APPL????", "SC_Info/Demo.sinf": b"x", "en.lproj/locversion.plist": b"x"}),
        Ipa(nested={}),
        _deep(3),
    ],
)
def test_genuine_forms_are_read(read: Read, ipa: Ipa) -> None:
    """The controls: what Apple's tools and the App Store make."""
    assert read(ipa.build(), IPA).parts["text:Demo"] == hashlib.sha256(CODE).hexdigest()


def test_nested_code_may_be_sealed_by_its_second_directory(read: Read) -> None:
    """Tools seal the digest of the best directory, which is not the first."""
    nested = nested_bundle(signing=Signing(hashing=("sha1", "sha256")))
    best = {"cdhash": cdhash(nested["Nested"], at=1)}
    assert f"text:{NESTED}/Nested" in read(Ipa(nested=nested, omit={NESTED: best}).build(), IPA).parts
