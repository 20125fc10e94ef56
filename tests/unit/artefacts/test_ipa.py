"""iOS app archives: what is read of one, and that one change to it is one sentence."""

from __future__ import annotations

import plistlib
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest

from .conftest import Read, Refused
from .minted_archive import zipped
from .minted_ipa import BUNDLE, CODE, DEVELOPER, NESTED, OTHER_TEAM, TEAM, X86_64, Ipa, Signing, fat, mach_o

IPA = "app.ipa"


def _hex(content: bytes) -> str:
    return sha256(content).hexdigest()


def _changed(name: str, content: bytes | None) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    def change(files: dict[str, bytes]) -> dict[str, bytes]:
        rest = {other: body for other, body in files.items() if other != name}
        return rest if content is None else {**rest, name: content}

    return change


def _flip(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def _info(**changes: object) -> dict[str, object]:
    return {**Ipa().info, **changes}


def _entitled(**changes: object) -> dict[str, object]:
    named = {name.replace("__", "-"): value for name, value in changes.items()}
    return {name: value for name, value in {**Ipa().entitlements, **named}.items() if value is not None}


# --- what is read -----------------------------------------------------------------------------------------------------


def test_signed_app_is_read(read: Read) -> None:
    """The default that every mutation below changes in one place. The app id is the signed entitlement's."""
    artefact = read(Ipa().build(), IPA)
    assert (artefact.platform, artefact.name, artefact.build, artefact.version_name) == ("apple", BUNDLE, "42", "1.2")
    assert (artefact.app_ids, artefact.environments) == ((f"{TEAM}.{BUNDLE}",), ("production",))
    assert artefact.signing_digests == (DEVELOPER.digest,)
    assert len(artefact.remarks) == 1
    assert "that Apple issued its certificate was not checked" in artefact.remarks[0]


def test_baseline_is_code_and_what_the_store_leaves_alone(read: Read) -> None:
    """Executables by their code, not by their file: the store encrypts and signs them anew."""
    folder = f"{_hex(b'f')}  deep/font\n{_hex(b'k')}  kernel\n"
    assert read(Ipa().build(), IPA).parts == {
        "text:Demo": _hex(CODE),
        "text:Frameworks/Lib.framework/Lib": _hex(b"library" * 2_000),
        f"text:{NESTED}/Nested": _hex(b"nested" * 1_000),
        "main.jsbundle": _hex(b"var a"),
        "Frameworks/App.framework/flutter_assets": _hex(folder.encode()),
    }


@pytest.mark.parametrize(
    "ipa",
    [
        Ipa(universal=True),
        Ipa(signing=Signing(hashing=("sha1", "sha256"))),
        Ipa(signing=Signing(team=None)),
        Ipa(profile=None),
    ],
)
def test_other_genuine_forms_are_read(read: Read, ipa: Ipa) -> None:
    """Universal files, two code directories, no team in the directory, no profile."""
    assert read(ipa.build(), IPA).parts["text:Demo"] == _hex(CODE)


def test_encrypted_code_is_no_part_of_the_baseline(read: Read) -> None:
    """A copy from the App Store: its code is only known on the device."""
    artefact = read(Ipa(encrypted=True, nested={}).build(), IPA)
    assert not any(name.startswith("text:") for name in artefact.parts)
    assert "encrypted" in artefact.remarks[-1]


def test_development_build_is_remarked_upon_and_says_its_environment(read: Read) -> None:
    """Whether its keys may enrol is the operator's to say."""
    artefact = read(Ipa(entitlements=_entitled(get__task__allow=True)).build(), IPA)
    assert artefact.environments == ("development",)
    assert any("development build" in remark for remark in artefact.remarks)


def test_profile_of_another_team_is_remarked_upon(read: Read) -> None:
    """The app id's prefix is not among the profile's."""
    artefact = read(Ipa(profile={"TeamIdentifier": ["OTHERTEAM1"]}).build(), IPA)
    assert "for another team" in artefact.remarks[-1]


# --- one change, one sentence -----------------------------------------------------------------------------------------

MUTATIONS = {
    "unsigned": (Ipa(signing=None), "is not signed."),
    "signed ad hoc": (Ipa(signing=Signing(identity=None)), "it is signed ad hoc, without a certificate"),
    "code changed": (Ipa(signing=Signing(code=_flip)), "its code was changed after it was signed"),
    "directory changed": (
        Ipa(signing=Signing(directory=lambda blob: blob.replace(BUNDLE.encode(), BUNDLE.upper().encode()))),
        "the content was changed after it was signed",
    ),
    "entitlements changed": (
        Ipa(signing=Signing(entitlements_blob=lambda blob: blob.replace(b"TEAMID1234", b"EVILTEAM99"))),
        "what its signature seals was changed",
    ),
    "Info.plist changed": (
        Ipa(after_signing=_changed("Info.plist", plistlib.dumps(_info(CFBundleVersion="43")))),
        "what its signature seals was changed",
    ),
    "list of resources changed": (
        Ipa(after_signing=_changed("_CodeSignature/CodeResources", plistlib.dumps({"files2": {}}))),
        "what its signature seals was changed",
    ),
    "list of resources removed": (
        Ipa(after_signing=_changed("_CodeSignature/CodeResources", None)),
        "what its signature seals was changed",
    ),
    "resource changed": (
        Ipa(after_signing=_changed("main.jsbundle", b"var b")),
        "was changed after it was signed: main.jsbundle is another one",
    ),
    "resource removed": (
        Ipa(after_signing=_changed("Assets.car", None)),
        "was changed after it was signed: Assets.car was removed",
    ),
    "framework changed": (Ipa(framework=None), "Frameworks/Lib.framework/Lib"),
    "another team's certificate": (
        Ipa(signing=Signing(identity=OTHER_TEAM)),
        "names another team than its signing certificate",
    ),
    "app id of another bundle": (
        Ipa(entitlements=_entitled(application__identifier=f"{TEAM}.org.example.other")),
        "is not entitled to its bundle id",
    ),
    "wildcard app id": (
        Ipa(entitlements=_entitled(application__identifier=f"{TEAM}.*")),
        "is not entitled to its bundle id",
    ),
    "no app id": (Ipa(entitlements=_entitled(application__identifier=None)), "is not entitled to its bundle id"),
    "no bundle id": (Ipa(info=_info(CFBundleIdentifier="")), "an Info.plist without CFBundleIdentifier"),
    "odd bundle id": (Ipa(info=_info(CFBundleIdentifier="a b")), "whose bundle id or version is none"),
    "no version": (Ipa(info=_info(CFBundleVersion=7)), "an Info.plist without CFBundleVersion"),
    "odd version": (Ipa(info=_info(CFBundleVersion="1.x")), "whose bundle id or version is none"),
    "no executable": (Ipa(info=_info(CFBundleExecutable="Other")), "has no executable for iOS devices"),
    "profile changed": (Ipa(profile_bytes=_flip), "has a provisioning profile that is not sound"),
    "profile is none": (Ipa(profile_bytes=lambda _: b"plist"), "has a provisioning profile that is not sound"),
    "no app": (Ipa(folder="Demo/"), "it has 0 apps under Payload/"),
    "Info.plist is none": (
        Ipa(after_signing=_changed("Info.plist", b"bplist00\xff\xff")),
        "Info.plist in app.ipa cannot be read",
    ),
    "Info.plist is a list": (
        Ipa(after_signing=_changed("Info.plist", plistlib.dumps([]))),
        "Info.plist in app.ipa cannot be read",
    ),
    "Info.plist declares an entity": (
        Ipa(
            after_signing=_changed(
                "Info.plist",
                b'<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a "a">]><plist><dict><key>&a;</key></dict></plist>',
            )
        ),
        "Info.plist in app.ipa cannot be read",
    ),
    "Info.plist without end": (
        Ipa(after_signing=_changed("Info.plist", b"<plist>" + b"<array>" * 100_000)),
        "Info.plist in app.ipa cannot be read",
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_one_change_is_one_sentence(refused: Refused, name: str) -> None:
    """Nothing that was tampered with, and nothing that cannot be read, is registered."""
    ipa, sentence = MUTATIONS[name]
    assert sentence in refused(ipa.build(), IPA)


def test_two_apps_in_one_archive_are_refused(refused: Refused) -> None:
    """Which of them would be registered?"""
    files = {"Payload/A.app/Info.plist": b"", "Payload/B.app/Info.plist": b""}
    assert "it has 2 apps under Payload/" in refused(zipped(files), IPA)


@pytest.mark.parametrize(
    "executable",
    [
        mach_o()[:40],
        mach_o()[:-1],
        mach_o(cpu=X86_64),
        mach_o(bend=lambda data: data[:16] + b"\xff\xff\xff\x7f" + data[20:]),
        mach_o(bend=lambda data: data[:36] + b"\0\0\0\0" + data[40:]),
        mach_o(bend=lambda data: data[:32] + b"\x19\0\0\0\x98\0\0\0" + data[40:96] + b"\xff\xff\xff\xff" + data[100:]),
        fat({X86_64: mach_o(cpu=X86_64)}),
        b"\xca\xfe\xba\xbe\xff\xff\xff\xff",
        b"\xca\xfe\xba\xbe\0\0\0\1" + bytes(8),
    ],
)
def test_broken_executable_is_one_sentence(refused: Refused, executable: bytes) -> None:
    """Cut off, for another processor, or with counts and sizes that lie."""
    sentence = refused(Ipa(after_signing=_changed("Demo", executable)).build(), IPA)
    assert "is no executable for iOS that can be read" in sentence


@pytest.mark.parametrize("position", [0, 4, 8, 12, 16, 20, 24])
def test_broken_signature_is_one_sentence(refused: Refused, position: int) -> None:
    """Every number at the head of the signature's list of blobs, made enormous."""

    def change(files: dict[str, bytes]) -> dict[str, bytes]:
        executable = files["Demo"]
        start = executable.index(b"\xfa\xde\x0c\xc0") + position
        return files | {"Demo": executable[:start] + b"\xff\xff\xff\xf0" + executable[start + 4 :]}

    assert "cannot be registered" in refused(Ipa(after_signing=change).build(), IPA)


def test_certificate_that_signs_for_another_is_refused(refused: Refused) -> None:
    """A team id in the code directory is only worth what the certificate says."""
    signing = replace(Signing(), team="EVILTEAM99")
    assert "names another team" in refused(Ipa(signing=signing).build(), IPA)
