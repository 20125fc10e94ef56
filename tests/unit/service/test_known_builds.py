"""Known builds in use: a repackaged, a modified and a downgraded app, each refused for its own reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from attestation.appraisal.builds import KnownBuild, KnownBuilds, UnknownBuilds
from service.errors import Unavailable
from service.tables.known_builds import BuildExpectations, read_build_expectations

from tests.service_stack.events import json_of, slug_of
from tests.service_stack.memory_stack import APP, MemoryStack

Lines = Callable[[], list[dict[str, Any]]]

DEX, LIBRARY, CHANGED = "11" * 32, "22" * 32, "33" * 32
GENUINE = {"classes.dex": DEX, "lib/arm64-v8a/libapp.so": LIBRARY}
PARTS = {name: (digest,) for name, digest in GENUINE.items()}


def expect(stack: MemoryStack, platform: str = "android", **expected: Any) -> None:
    """Say what is expected of the demo app's builds: 41 and 42 are known, 42 is the oldest accepted."""
    known = KnownBuilds(**{"registered": True, "minimum": "42", **expected})
    stack.apps.rows[APP] = replace(stack.apps.rows[APP], builds=BuildExpectations({platform: known}))
    for build in ("41", "42", "43"):
        stack.builds.rows[APP, platform, build] = KnownBuild(build=build, parts=PARTS)


@pytest.fixture
def known(stack: MemoryStack) -> MemoryStack:
    """A stack that knows the demo app's Android builds."""
    expect(stack)
    return stack


def enrolled(stack: MemoryStack, phone: Any, **client_data: Any) -> dict[str, Any]:
    """The answer to an enrolment with that client data."""
    data = phone.client_data(stack.challenge(), **{"measurements": GENUINE, **client_data})
    return stack.send("POST", "/v1/attestations", phone.attestation_body(data))


def renewed(stack: MemoryStack, phone: Any, **client_data: Any) -> dict[str, Any]:
    """The answer to a renewal with that client data."""
    data = phone.client_data(stack.challenge(), **{"measurements": GENUINE, **client_data})
    return stack.send("POST", "/v1/tokens", phone.renewal_body(data))


def decided(log_lines: Lines) -> dict[str, Any]:
    """The decision that was logged."""
    decisions = [line for line in log_lines() if line.get("message") == "decision"]
    return decisions[-1]


def refusal(answer: dict[str, Any], log_lines: Lines) -> tuple[int, str, list[str], str]:
    """Status, slug, advice, and what the operator sees."""
    decision = decided(log_lines)
    return answer["statusCode"], slug_of(answer), json_of(answer).get("advice", []), json.dumps(decision)


def test_known_build_enrols_and_renews(known: MemoryStack, log_lines: Lines) -> None:
    """The default that every case below changes in one place."""
    phone = known.android(version_code=42)
    assert enrolled(known, phone)["statusCode"] == 201
    assert renewed(known, phone)["statusCode"] == 200
    assert "build-" not in json.dumps(decided(log_lines))


def test_repackaged_app_is_refused_by_its_signer(known: MemoryStack, log_lines: Lines) -> None:
    """Verification refuses what appraisal need not look at: another certificate signed it."""
    log_lines()
    answer = enrolled(known, known.android(version_code=42, signer=b"\x66" * 32))
    status, slug, advice, seen = refusal(answer, log_lines)
    assert (status, slug, advice) == (403, "evidence-rejected", [])
    assert "signer-mismatch" in seen


def test_modified_code_is_refused_and_told_to_reinstall(known: MemoryStack, log_lines: Lines) -> None:
    """The number of a known build, and one part that is not as released."""
    log_lines()
    phone = known.android(version_code=42)
    status, slug, advice, seen = refusal(
        enrolled(known, phone, measurements=GENUINE | {"classes.dex": CHANGED}), log_lines
    )
    assert (status, slug, advice) == (403, "evidence-rejected", ["reinstall-app"])
    assert "build-modified" in seen
    assert '"build_match": "differs", "differing": ["classes.dex"]' in seen
    assert phone.bonafide_key_id not in known.attested_keys.rows


def test_code_that_was_modified_since_is_refused_at_the_next_renewal(known: MemoryStack, log_lines: Lines) -> None:
    """Renewals carry measurements, too."""
    phone = known.android(version_code=42)
    enrolled(known, phone)
    log_lines()
    answer = renewed(known, phone, measurements=GENUINE | {"lib/arm64-v8a/libgadget.so": CHANGED})
    status, slug, advice, seen = refusal(answer, log_lines)
    assert (status, slug, advice) == (403, "evidence-rejected", ["reinstall-app"])
    assert "build-modified" in seen


def test_downgraded_build_is_refused_and_told_to_update(known: MemoryStack, log_lines: Lines) -> None:
    """A genuine old version, whose number its own hardware attests: the app's word does not help it."""
    log_lines()
    status, slug, advice, seen = refusal(enrolled(known, known.android(version_code=41), app_build="42"), log_lines)
    assert (status, slug, advice) == (403, "evidence-rejected", ["update-app"])
    assert "build-downgraded" in seen


def test_app_updated_since_its_enrolment_renews(known: MemoryStack) -> None:
    """The number in an old attestation says nothing about today."""
    expect(known, minimum="41")
    phone = known.android(version_code=41)
    assert enrolled(known, phone)["statusCode"] == 201
    expect(known, minimum="43")
    assert renewed(known, phone, app_build="41")["statusCode"] == 403
    assert renewed(known, phone, app_build="43")["statusCode"] == 200


@pytest.mark.parametrize(
    ("unknown", "status"), [(UnknownBuilds.ALLOW, 201), (UnknownBuilds.WARN, 201), (UnknownBuilds.REFUSE, 403)]
)
def test_unknown_build_is_judged_by_the_apps_dial(
    known: MemoryStack, log_lines: Lines, unknown: UnknownBuilds, status: int
) -> None:
    """An unregistered build: let in and recorded, warned about, or refused."""
    expect(known, unknown=unknown)
    log_lines()
    assert enrolled(known, known.android(version_code=44))["statusCode"] == status
    assert "build-unknown" in json.dumps(decided(log_lines))


def test_measurements_left_out_are_noted(known: MemoryStack, log_lines: Lines) -> None:
    """Saying nothing must not look like saying the right thing."""
    log_lines()
    assert enrolled(known, known.android(version_code=42), measurements={})["statusCode"] == 201
    assert "build-unmeasured" in json.dumps(decided(log_lines))


def test_builds_of_one_platform_are_not_asked_of_another(known: MemoryStack) -> None:
    """Numbers of iOS builds are their own."""
    reads = known.builds.calls
    known.enrol(known.installation())
    known.enrol(known.harmony())
    assert known.builds.calls == reads


def test_app_without_builds_costs_no_read(stack: MemoryStack, log_lines: Lines) -> None:
    """Nothing registered, nothing said."""
    log_lines()
    assert enrolled(stack, stack.android(), measurements={"classes.dex": CHANGED})["statusCode"] == 201
    assert stack.builds.calls == 0
    assert "build-" not in json.dumps(decided(log_lines))


def test_iphone_of_an_old_build_is_refused(stack: MemoryStack, log_lines: Lines) -> None:
    """Apple's attestation names the bundle version from iOS 27 on; before, the app's word is all there is."""
    expect(stack, "apple")
    log_lines()
    old = enrolled(stack, stack.installation(), app_build="41")
    assert "build-downgraded" in refusal(old, log_lines)[3]
    assert enrolled(stack, stack.installation(), app_build="42")["statusCode"] == 201


def test_builds_that_cannot_be_read_consume_nothing(known: MemoryStack) -> None:
    """An outage of the table is try-later, and the same request is good again afterwards."""
    phone = known.android(version_code=42)
    body = phone.attestation_body(phone.client_data(known.challenge(), measurements=GENUINE))
    known.builds.down = True
    answer = known.send("POST", "/v1/attestations", body)
    assert (answer["statusCode"], slug_of(answer)) == (503, "try-later")
    known.builds.down = False
    assert known.send("POST", "/v1/attestations", body)["statusCode"] == 201


@pytest.mark.parametrize(
    "members",
    [
        [],
        "x",
        {"unknown": "perhaps"},
        {"android": []},
        {"android": {"registered": 1}},
        {"android": {"minimum": 42}},
        {"apple": None},
    ],
)
def test_expectations_half_understood_are_an_outage_of_ours(members: object) -> None:
    """A minimum that cannot be read must not read as none."""
    with pytest.raises(Unavailable, match="registered wrongly"):
        read_build_expectations(members, "app demo")


def test_expectations_of_an_older_row_are_none() -> None:
    """Apps registered before builds existed."""
    assert read_build_expectations({}, "app demo") == BuildExpectations()


@pytest.mark.parametrize("written", ["42", "042", "42.0"])
def test_retired_build_neither_enrols_nor_renews_whatever_the_policy_says(
    known: MemoryStack, log_lines: Lines, written: str
) -> None:
    """Also under a policy that permits everything; the app is told to update, and the operator why."""
    phone = known.android(version_code=42)
    assert enrolled(known, phone)["statusCode"] == 201
    known.publishing.publish(
        APP,
        appraisal="permit (principal, action, resource);\n",
        why="a test",
        rollout=100,
        expected_version=0,
        who="tests",
        now=known.now,
    )
    expect(known, retired=(written,), minimum=None)
    for ask, who in ((enrolled, known.android(version_code=42)), (renewed, phone)):
        status, slug, advice, seen = refusal(ask(known, who, app_build="42"), log_lines)
        assert (status, slug, advice) == (403, "evidence-rejected", ["update-app"])
        assert '"build-retired"' in seen
    assert renewed(known, phone, app_build="43")["statusCode"] == 200


@pytest.mark.parametrize("platform", ["apple", "harmony"])
def test_build_is_retired_on_other_platforms_too(stack: MemoryStack, log_lines: Lines, platform: str) -> None:
    """By the number that the app names, where no evidence of the request proves one; no build need be registered."""
    phone: Any = stack.installation() if platform == "apple" else stack.harmony()
    stack.enrol(phone)
    expect(stack, platform, registered=False, minimum=None, retired=("7",))
    status, _, advice, seen = refusal(renewed(stack, phone, app_build="7"), log_lines)
    assert (status, advice) == (403, ["update-app"])
    assert '"build-retired"' in seen
    assert renewed(stack, phone, app_build="8")["statusCode"] == 200


def test_build_retired_on_another_platform_is_none(known: MemoryStack) -> None:
    """Numbers of two platforms have nothing to do with each other."""
    phone = known.android(version_code=42)
    assert enrolled(known, phone)["statusCode"] == 201
    expect(known, "apple", retired=("42",))
    assert renewed(known, phone, app_build="42")["statusCode"] == 200
