"""Folding an artefact into a registration: what is added, and what is not taken by a slip."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bonafide.artefacts.artefact import Artefact, Signer
from bonafide.artefacts.registration import build_of_artefact, what_is_new, with_artefact
from bonafide.operator.errors import OperatorError
from bonafide.operator.registration import Registration

NAME, OTHER = "org.example.demo", "org.example.other"
A, B, C = ("aa" * 32, "bb" * 32, "cc" * 32)
APK = Artefact(platform="android", name=NAME, build="42", version_name="1.2", signers=(Signer(digest=A, scheme="v2"),))
IPA = Artefact(
    platform="apple",
    name=NAME,
    build="42",
    app_ids=(f"TEAMID1234.{NAME}",),
    environments=("development",),
    signers=(Signer(digest=C, scheme="of the code"),),
)
HAP = Artefact(
    platform="harmony",
    name=NAME,
    build="42",
    app_ids=(f"{NAME}_key",),
    app_identifiers=("5765880207850000001",),
    signers=(Signer(digest=C, scheme="of the package"),),
)
NOTHING = Registration(app="demo")
WHOLE = Registration(
    app="demo",
    apple_app_ids=(f"TEAMID1234.{NAME}",),
    android_packages=(NAME,),
    android_signing_digests=(A,),
    harmony_bundle_names=(NAME,),
    harmony_app_ids=(f"{NAME}_key",),
    harmony_app_identifiers=("5765880207850000001",),
)


def test_first_artefact_of_each_platform_registers_it() -> None:
    """Neither a build's environment nor the certificate of a HAP, which the store replaces, is registered."""
    registration = NOTHING
    for artefact in (APK, IPA, HAP):
        registration = with_artefact(registration, artefact)
    assert registration == WHOLE
    registration.check()


def test_known_artefact_changes_nothing() -> None:
    """The next build of the same app."""
    for artefact in (APK, IPA, HAP):
        assert with_artefact(WHOLE, replace(artefact, build="43")) == WHOLE


def test_rotated_signer_joins_beside_the_known_one() -> None:
    """The lineage names both."""
    rotated = replace(
        APK, signers=(Signer(digest=B, scheme="v3"), Signer(digest=A, scheme="v3", detail="earlier")), lineage=(A, B)
    )
    assert with_artefact(WHOLE, rotated).android_signing_digests == (A, B)


def test_changed_signing_key_of_a_known_identifier_joins() -> None:
    """HarmonyOS's appIdentifier survives a change of the key."""
    joined = with_artefact(WHOLE, replace(HAP, app_ids=(f"{NAME}_other",)))
    assert joined.harmony_app_ids == (f"{NAME}_key", f"{NAME}_other")


def test_signer_linked_to_none_that_is_registered_is_new() -> None:
    """A lineage vouches among its own; that some lineage is there says nothing."""
    theirs = replace(APK, signers=(Signer(digest=B, scheme="v3"), Signer(digest=C, scheme="v3")), lineage=(C, B))
    assert what_is_new(WHOLE, theirs) == (B, C)
    beside = replace(theirs, signers=(*theirs.signers, Signer(digest=A, scheme="v1")))
    assert what_is_new(WHOLE, beside) == (B, C)


def test_first_artefact_with_signers_that_do_not_vouch_for_each_other_is_new() -> None:
    """Nothing stands yet to compare with; a second signer is how a stranger would come along."""
    both = replace(APK, signers=(Signer(digest=A, scheme="v2"), Signer(digest=B, scheme="v2")))
    assert what_is_new(NOTHING, both) == (A, B)
    with pytest.raises(OperatorError, match="has signers that do not vouch for each other"):
        with_artefact(NOTHING, both)
    assert what_is_new(NOTHING, replace(both, lineage=(B, A))) == ()


@pytest.mark.parametrize(
    ("artefact", "sentence"),
    [
        (
            replace(APK, signers=(Signer(digest=A, scheme="v2"), Signer(digest=B, scheme="v2"))),
            f"is signed by {B}, which is not registered for demo",
        ),
        (replace(HAP, app_identifiers=("666",)), "is signed by 666, which is not registered for demo"),
        (
            replace(IPA, app_ids=(f"TEAMID1234.{NAME}", f"EVILTEAM99.{NAME}")),
            f"is signed by EVILTEAM99.{NAME}, which is not registered for demo",
        ),
        (replace(APK, name=OTHER), f"demo is registered as {NAME}, and this is {OTHER}"),
        (replace(IPA, name=OTHER), f"demo is registered as {NAME}, and this is {OTHER}"),
        (replace(HAP, name=OTHER), f"demo is registered as {NAME}, and this is {OTHER}"),
        (replace(APK, signers=(Signer(digest=B, scheme="v2"),)), f"is signed by {B}, which is not registered for demo"),
        (replace(IPA, app_ids=(f"EVILTEAM99.{NAME}",)), f"is signed by EVILTEAM99.{NAME}"),
        (replace(HAP, app_ids=(f"{NAME}_evil",), app_identifiers=()), f"is signed by {NAME}_evil"),
    ],
)
def test_strange_artefact_is_taken_only_when_it_is_meant(artefact: Artefact, sentence: str) -> None:
    """A repackaged copy, another team's build, a variant: one sentence, or one option."""
    with pytest.raises(OperatorError) as refused:
        with_artefact(WHOLE, artefact)
    assert sentence in str(refused.value)
    assert "--new-identity" in str(refused.value)
    with_artefact(WHOLE, artefact, new_identity=True).check()


def test_baseline_becomes_a_known_build() -> None:
    """One digest a part; further artefacts of the build add theirs."""
    build = build_of_artefact(replace(APK, parts={"classes.dex": B}))
    assert (build.platform, build.build, build.version_name) == ("android", "42", "1.2")
    assert build.parts == {"classes.dex": (B,)}
