"""Apps from what was built: register --from, builds and retire-build on a running stack, and what devices feel."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bonafide.cli.main import cli
from devkit.fleet.run import make_scene
from devkit.fleet.scenario import Scene
from tests.unit.artefacts.minted_apk import (
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
from tests.unit.artefacts.minted_hap import PROFILE_SIGNER, Hap
from tests.unit.artefacts.minted_ipa import Ipa

from .conftest import FleetStack

pytestmark = [pytest.mark.stack, pytest.mark.long]

PACKAGE = "org.example.demo"
REPACKAGED = Apk(v1=JarSignature(identity=STRANGER), blocks={V2: (BlockSigner(identity=STRANGER),)})
ROTATED_ONLY = Apk(
    v1=None,
    min_sdk=33,
    blocks={
        V2: (BlockSigner(),),
        V3: (BlockSigner(sdk=(28, 32), attributes={0x559F8B02: b"\x21\0\0\0"}),),
        V31: (BlockSigner(identity=ROTATED, sdk=(33, 99), attributes={0x3BA06F8C: lineage(OWNER, ROTATED)}),),
    },
)


@pytest.fixture
def folder(fleet_stack: FleetStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("BONAFIDE_RUN_FOLDER", str(fleet_stack.layout.local))
    return tmp_path


@pytest.fixture
def scene(fleet_stack: FleetStack) -> Scene:
    return make_scene(fleet_stack.deployment, fleet_stack.authority)


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["app", *arguments])


def _json(*arguments: str) -> Any:
    result = _run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def _refused(*arguments: str) -> str:
    result = _run(*arguments)
    assert result.exit_code == 1, result.output
    return result.stderr.strip()


def _file(folder: Path, name: str, artefact: Apk | Ipa | Hap) -> str:
    path = folder / name
    path.write_bytes(artefact.build())
    return str(path)


def test_three_platforms_are_registered_from_what_was_built(folder: Path) -> None:
    """One command, three files; show and builds agree with what was read."""
    files = [
        argument
        for name, artefact in (("app.apk", Apk()), ("app.ipa", Ipa()), ("entry.hap", Hap()))
        for argument in ("--from", _file(folder, name, artefact))
    ]
    registered = _json("register", "three", "--harmony-profile-signer", PROFILE_SIGNER.digest, *files)
    assert registered["android_packages"] == [PACKAGE]
    assert registered["android_signing_digests"] == [OWNER.digest]
    assert registered["apple_app_ids"] == [f"TEAMID1234.{PACKAGE}"]
    assert registered["harmony_bundle_names"] == [PACKAGE]
    assert registered["harmony_app_identifiers"] == ["5765880207850000001"]
    assert [artefact["file"] for artefact in registered.pop("artefacts")] == ["app.apk", "app.ipa", "entry.hap"]
    assert _json("show", "three") == registered
    builds = _json("builds", "three")
    assert [(build["platform"], build["build"]) for build in builds] == [
        ("android", "42"),
        ("apple", "42"),
        ("harmony", "42"),
    ]
    assert len(builds[0]["parts"]["classes.dex"]) == 1


def test_person_sees_identity_signers_and_remarks(folder: Path) -> None:
    """What was taken from the file, to compare with what was meant."""
    result = _run("register", "seen", "--from", _file(folder, "app.apk", Apk(application={"debuggable": True})))
    assert result.exit_code == 0, result.output
    assert f"app.apk: {PACKAGE}, android build 42 (1.2), known build of 6 parts" in result.stdout
    assert f"{OWNER.digest}  signature v2" in result.stdout
    assert "It is debuggable" in result.stdout


def test_tampered_artefact_registers_nothing(folder: Path) -> None:
    """One sentence, exit code 1, and the app is not there."""
    path = folder / "app.apk"
    content = bytearray(Apk().build())
    content[200] ^= 1
    path.write_bytes(content)
    sentence = _refused("register", "tampered", "--from", str(path))
    assert "app.apk" in sentence
    assert len(sentence.splitlines()) == 1
    assert "No app called tampered" in _refused("show", "tampered")


def test_file_that_is_absent_is_one_sentence(folder: Path) -> None:
    """A typing error."""
    assert "There is no file" in _refused("register", "absent", "--from", str(folder / "none.apk"))


def test_copy_by_another_signer_is_not_taken_by_a_slip(folder: Path) -> None:
    """A repackaged copy must not become an accepted app; another store's signer can be, by its own digest alone."""
    _json("register", "slip", "--from", _file(folder, "app.apk", Apk()))
    repackaged = _file(folder, "copy.apk", REPACKAGED)
    assert "which is not registered for slip" in _refused("register", "slip", "--from", repackaged)
    assert _json("show", "slip")["android_signing_digests"] == [OWNER.digest]
    unseen = _refused("register", "slip", "--from", repackaged, "--new-identity")
    assert f"--accept-identity {STRANGER.digest}" in unseen
    another = _refused("register", "slip", "--from", repackaged, "--accept-identity", ROTATED.digest)
    assert f"--accept-identity {STRANGER.digest}" in another
    assert _json("show", "slip")["android_signing_digests"] == [OWNER.digest]
    both = _json("register", "slip", "--from", repackaged, "--accept-identity", STRANGER.digest.upper())
    assert both["android_signing_digests"] == [OWNER.digest, STRANGER.digest]


def test_person_sees_what_is_new_before_it_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a terminal --new-identity shows every digest whole and asks; a no registers nothing."""
    _json("register", "asked", "--from", _file(folder, "app.apk", Apk()))
    arguments = ["app", "register", "asked", "--new-identity", "--from", _file(folder, "copy.apk", REPACKAGED)]
    monkeypatch.setattr("bonafide.cli.app.new_identity.has_person", lambda: True)
    refused = CliRunner().invoke(cli, arguments, input="n\n")
    assert refused.exit_code == 1
    assert f"{STRANGER.digest}  signature v2, signature v1" in refused.stderr
    assert "Nothing was registered." in refused.stderr
    assert _json("show", "asked")["android_signing_digests"] == [OWNER.digest]
    assert CliRunner().invoke(cli, arguments, input="y\n").exit_code == 0
    assert _json("show", "asked")["android_signing_digests"] == [OWNER.digest, STRANGER.digest]


def test_poisoned_copy_of_our_own_file_is_not_taken(folder: Path) -> None:
    """A stranger's signer beside ours: neither its digest nor its build."""
    _json("register", "poisoned", "--from", _file(folder, "app.apk", Apk()))
    beside = Apk(v1=None, min_sdk=24, blocks={V2: (BlockSigner(), BlockSigner(identity=STRANGER))})
    assert STRANGER.digest in _refused("register", "poisoned", "--from", _file(folder, "beside.apk", beside))
    assert _json("show", "poisoned")["android_signing_digests"] == [OWNER.digest]


def test_other_package_is_not_taken_by_a_slip(folder: Path) -> None:
    """The debug variant beside the release in the build folder."""
    _json("register", "variant", "--from", _file(folder, "app.apk", Apk()))
    other = Apk(root={"package": f"{PACKAGE}.debug", "versionCode": 42})
    assert "is registered as org.example.demo" in _refused(
        "register", "variant", "--from", _file(folder, "debug.apk", other)
    )


def test_rotated_key_joins_by_its_lineage(folder: Path) -> None:
    """The old key vouches for the new one, so no confirmation is needed."""
    _json("register", "rotated", "--from", _file(folder, "app.apk", Apk()))
    registered = _json("register", "rotated", "--from", _file(folder, "next.apk", ROTATED_ONLY))
    assert registered["android_signing_digests"] == [OWNER.digest, ROTATED.digest]


def test_identity_can_be_taken_without_the_baseline(folder: Path) -> None:
    """For teams that measure nothing."""
    _json("register", "bare", "--no-baseline", "--from", _file(folder, "app.apk", Apk()))
    assert _json("builds", "bare") == []


def test_builds_are_retired_by_number_and_platform(folder: Path) -> None:
    """The same number on two platforms needs the platform's name."""
    files = ("--from", _file(folder, "app.apk", Apk()), "--from", _file(folder, "app.ipa", Ipa()))
    _json("register", "retiring", *files)
    assert "is known for android and apple: say which with --platform" in _refused("retire-build", "retiring", "42")
    assert "add --yes" in _refused("retire-build", "retiring", "42", "--platform", "ios")
    for platform in ("ios", "android"):
        assert _run("retire-build", "retiring", "42", "--platform", platform, "--yes").exit_code == 0
    assert [build["retired"] for build in _json("builds", "retiring")] == [True, True]
    assert "was retired already" in _refused("retire-build", "retiring", "42", "--platform", "apple", "--yes")
    assert "is not among the known builds of retiring" in _refused("retire-build", "retiring", "43")
    assert _run("retire-build", "retiring", "42", "--platform", "apple", "--undo").exit_code == 0
    assert [build["retired"] for build in _json("builds", "retiring")] == [True, False]
    assert "is not a platform" in _refused("builds", "retiring", "--platform", "windows")
    assert "No app called nobody" in _refused("builds", "nobody")


def test_registered_artefact_decides_about_devices(folder: Path, scene: Scene) -> None:
    """From file to verdict: the genuine build passes, a changed dex and an old build do not, each told its own."""
    registered = _json("register", "whole", "--minimum-build", "android=42", "--from", _file(folder, "app.apk", Apk()))
    parts = registered["artefacts"][0]["parts"]
    signer = bytes.fromhex(OWNER.digest)

    def attest(version: int, measured: dict[str, str], by: bytes = signer) -> tuple[int, Any]:
        phone = scene.android(app="whole", package=PACKAGE, signer=by, version_code=version)
        answer = scene.attest(phone, app_build=str(version), measurements=measured)
        return answer.status, answer.json.get("advice", [])

    assert attest(42, parts) == (201, [])
    assert attest(42, parts | {"classes.dex": "00" * 32}) == (403, ["reinstall-app"])
    assert attest(41, {}) == (403, ["update-app"])
    assert attest(42, parts, bytes(32)) == (403, [])


def test_several_artefacts_of_one_build_are_one_build(folder: Path) -> None:
    """A base and its split, and a second store's file with another dex."""
    base = Apk()
    split = base.with_(
        root={"package": PACKAGE, "split": "config.de", "versionCode": 42}, files={"resources.arsc": b"de"}
    )
    store = replace(base, files={**base.files, "classes.dex": b"another store's"})
    for name, artefact in (("base.apk", base), ("split.apk", split), ("store.apk", store)):
        _json("register", "joined", "--from", _file(folder, name, artefact))
    (build,) = _json("builds", "joined")
    assert len(build["parts"]["classes.dex"]) == 2
    assert len(build["parts"]["config.de:resources.arsc"]) == 1
