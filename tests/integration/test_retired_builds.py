"""Retired builds through the Admin API: what is written, what the functions read, and what the audit says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from attestation.appraisal.builds import require_not_retired
from attestation.errors import Reason, RejectedEvidence
from service.admin.retired_builds import MAX_RETIRED

from bonafide.operator.admin_api import AdminProblem
from bonafide.operator.registration import Registration
from bonafide.operator.retired_builds import RetiredBuilds, is_retired
from tests.service_stack.admin_calls import AdminWorld, admin_world
from tests.service_stack.worlds import AwsWorld, moto_world

PATH = "/admin/apps/demo/retired-builds"
DEMO = Registration(app="demo", android_packages=("org.example.demo",), android_signing_digests=("ab" * 32,))


@pytest.fixture
def world() -> Iterator[AwsWorld]:
    with moto_world() as made:
        made.register(DEMO)
        yield made


@pytest.fixture
def admin(world: AwsWorld) -> AdminWorld:
    return admin_world(world)


def read_by_functions(world: AwsWorld) -> tuple[str, ...]:
    app = world.apps.find("demo")
    assert app is not None
    return app.builds.by_platform["android"].retired


def audited(admin: AdminWorld) -> list[tuple[str, Any]]:
    entries = admin.call("GET", "/admin/audit?subject=app/demo")["entries"]
    return [(entry["action"], entry["details"]) for entry in entries]


def test_retired_build_is_read_by_the_functions_and_told_in_the_audit(world: AwsWorld, admin: AdminWorld) -> None:
    """One transaction: a change without an entry, or an entry without a change, cannot be."""
    retired = RetiredBuilds(admin)
    answer = retired.change("demo", "android", "41", retired=True, reason="CVE-2026-1")
    assert answer == {"app": "demo", "retired": {"android": ["41"]}, "changed": True}
    assert read_by_functions(world) == ("41",)
    assert audited(admin) == [("retire-build", {"platform": "android", "build": "41"})]
    assert is_retired(retired.list("demo"), "android", "041")


def test_same_change_again_changes_nothing_and_is_no_entry(admin: AdminWorld) -> None:
    """An answer that was lost may be asked for again."""
    retired = RetiredBuilds(admin)
    for _ in range(2):
        answer = retired.change("demo", "android", "41", retired=True, reason="")
    assert answer["changed"] is False
    assert retired.change("demo", "android", "41.0", retired=True, reason="")["changed"] is False
    assert len(audited(admin)) == 1


def test_undo_lets_the_build_in_again(world: AwsWorld, admin: AdminWorld) -> None:
    """And leaves the others retired."""
    retired = RetiredBuilds(admin)
    for build in ("41", "42"):
        retired.change("demo", "android", build, retired=True, reason="")
    retired.change("demo", "android", "41", retired=False, reason="")
    assert read_by_functions(world) == ("42",)
    assert audited(admin)[0] == ("restore-build", {"platform": "android", "build": "41"})


def test_registering_again_keeps_what_was_retired(world: AwsWorld, admin: AdminWorld) -> None:
    """The attack is a habit: the next release's pipeline registers the app, and the hole is open again."""
    RetiredBuilds(admin).change("demo", "android", "41", retired=True, reason="")
    world.register(DEMO)
    assert read_by_functions(world) == ("41",)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"platform": "windows", "build": "41"}, 422),
        ({"platform": "android", "build": "4 1"}, 422),
        ({"platform": "android", "build": "41\n"}, 422),
        ({"platform": "android", "build": ""}, 400),
        ({"platform": "android", "build": "9" * 101}, 400),
        ({"platform": "android"}, 400),
        ({"platform": "android", "build": 41}, 400),
    ],
    ids=str,
)
def test_what_is_no_build_is_refused(world: AwsWorld, admin: AdminWorld, body: dict[str, object], status: int) -> None:
    """Before anything is written."""
    assert admin.answer("POST", PATH, body)[0] == status
    assert read_by_functions(world) == ()
    assert audited(admin) == []


def test_app_that_is_not_registered_is_one_sentence(admin: AdminWorld) -> None:
    """A typing error makes no row."""
    with pytest.raises(AdminProblem, match="No app called shop is registered"):
        RetiredBuilds(admin).change("shop", "android", "41", retired=True, reason="")


def test_retired_builds_are_bounded(world: AwsWorld, admin: AdminWorld) -> None:
    """They are read with every request."""
    many = {"L": [{"S": str(number)} for number in range(MAX_RETIRED)]}
    world.dynamodb.update_item(
        TableName=world.tables["apps"],
        Key={"app": {"S": "demo"}},
        UpdateExpression="SET known_builds.android.retired = :many",
        ExpressionAttributeValues={":many": many},
    )
    assert admin.answer("POST", PATH, {"platform": "android", "build": "999"})[0] == 422
    assert admin.answer("POST", PATH, {"platform": "android", "build": "7", "retired": False})[0] == 200


def test_no_change_is_lost_in_a_race(world: AwsWorld, admin: AdminWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another operator changes the app between our reading and our writing: nothing of ours is written, not even the
    entry, and the same call succeeds afterwards."""
    real = world.dynamodb.transact_write_items

    def overtaken(**arguments: Any) -> Any:
        monkeypatch.undo()
        RetiredBuilds(admin).change("demo", "android", "40", retired=True, reason="the other")
        return real(**arguments)

    monkeypatch.setattr(world.dynamodb, "transact_write_items", overtaken)
    body = {"platform": "android", "build": "41"}
    status, answer = admin.answer("POST", PATH, body)
    assert (status, answer["type"].rpartition("/")[2]) == (409, "conflict")
    assert read_by_functions(world) == ("40",)
    assert len(audited(admin)) == 1
    assert admin.answer("POST", PATH, body)[0] == 200
    assert read_by_functions(world) == ("40", "41")


@pytest.mark.parametrize(
    ("build", "refused"),
    [("41", True), ("041", True), ("41.0", True), ("1.2-rc", True), ("4", False), ("410", False), (None, False)],
)
def test_build_is_compared_as_a_number(world: AwsWorld, admin: AdminWorld, build: str | None, refused: bool) -> None:
    """No other spelling of a retired number passes, and no other number is caught."""
    for retired in ("41", "1.2-rc"):
        RetiredBuilds(admin).change("demo", "android", retired, retired=True, reason="")
    app = world.apps.find("demo")
    assert app is not None
    with pytest.raises(RejectedEvidence) if refused else nullcontext() as caught:
        require_not_retired(build, app.builds.by_platform["android"])
    assert not refused or (caught is not None and caught.value.reason is Reason.BUILD_RETIRED)
