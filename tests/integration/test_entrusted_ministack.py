"""Builds, secrets and signing keys through the Admin API: each change has its entry, and no secret is ever told."""

from __future__ import annotations

import io
import json
import logging
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from typing import Any

import pytest
from service.vendors.play_integrity import SERVICE_ACCOUNT

from bonafide.operator.admin_api import AdminProblem
from bonafide.operator.errors import OperatorError
from bonafide.operator.known_builds import Build, RegisteredBuilds
from bonafide.operator.play_secrets import PlaySecretsOfApps
from tests.integration.administered_stack import admin, entries, refused
from tests.service_stack.admin_calls import AdminWorld, Rotating, admin_world
from tests.service_stack.google import service_account
from tests.service_stack.memory_stack import GOOGLE
from tests.service_stack.worlds import AwsWorld

__all__ = ["admin"]
pytestmark = pytest.mark.ministack

BUILD = Build(platform="apple", build="42", version_name="1.2", parts={"main": ("ab" * 32,)})
KEYS = GOOGLE.response_keys("org.example.demo").console_texts


def everything(world: AwsWorld, *tables: str) -> str:
    """All rows of some tables, as text."""
    return "".join(str(world.dynamodb.scan(TableName=world.tables[name])["Items"]) for name in tables)


def secret_texts() -> list[str]:
    account = json.loads(service_account())
    return [*KEYS.values(), account["private_key"].splitlines()[1]]


def test_registered_build_is_written_down_with_it(admin: AdminWorld, ministack: AwsWorld) -> None:
    """Who registered which, in the transaction that does; the functions then know the build."""
    made = RegisteredBuilds(admin).put("demo", BUILD, why="release 1.2")
    assert (made.parts, made.version_name, made.registered_at) == (BUILD.parts, "1.2", made.updated_at)
    assert ministack.builds.find("demo", "apple", "42") is not None
    (entry,) = entries(admin, "app/demo")
    assert (entry["action"], entry["why"]) == ("register-build", "release 1.2")
    assert entry["details"] == {"platform": "apple", "build": "42", "parts": 1}
    app = ministack.apps.find("demo")
    assert app is not None
    assert app.builds.by_platform["apple"].registered


def test_build_that_stands_so_already_is_no_change(admin: AdminWorld) -> None:
    """The same artefact again: one entry, one date."""
    first = RegisteredBuilds(admin).put("demo", BUILD)
    assert RegisteredBuilds(admin).put("demo", BUILD) == first
    assert len(entries(admin, "app/demo")) == 1


def test_build_of_an_unknown_app_or_platform_is_refused_and_leaves_nothing(
    admin: AdminWorld, ministack: AwsWorld
) -> None:
    """A row without its app would be read by none, and an entry would tell of no change."""
    body: dict[str, object] = {"platform": "apple", "build": "42", "parts": {}}
    assert refused(admin, "POST", "/admin/apps/nowhere/builds", body).slug == "unknown-app"
    assert refused(admin, "POST", "/admin/apps/demo/builds", body | {"platform": "symbian"}).slug == "change-refused"
    wrong: tuple[dict[str, object], ...] = ({"parts": {"main": ["short"]}}, {"build": ""}, {"parts": []}, {"other": 1})
    for bad in wrong:
        assert refused(admin, "POST", "/admin/apps/demo/builds", body | bad).status == 400
    assert everything(ministack, "builds", "audit") == "[][]"


def test_secrets_are_kept_listed_and_forgotten_and_each_change_is_written_down(
    admin: AdminWorld, ministack: AwsWorld
) -> None:
    """Entries name what was changed, by whom and why."""
    secrets = PlaySecretsOfApps(admin)
    pair = secrets.add_keys("demo", **KEYS, why="new console")
    assert secrets.set_account("demo", service_account()).name == SERVICE_ACCOUNT
    assert {one.name for one in secrets.list("demo")} == {pair.name, SERVICE_ACCOUNT}
    secrets.remove("demo", pair.name, why="rotated")
    assert [one.name for one in secrets.list("demo")] == [SERVICE_ACCOUNT]
    found = [(one["action"], one["details"], one["why"]) for one in reversed(entries(admin, "app/demo"))]
    assert found == [
        ("entrust-secret", {"name": pair.name, "kind": "play-response-keys"}, "new console"),
        ("entrust-secret", {"name": SERVICE_ACCOUNT, "kind": "play-service-account"}, ""),
        ("forget-secret", {"name": pair.name}, "rotated"),
    ]
    with pytest.raises(AdminProblem) as unknown:
        secrets.remove("demo", pair.name)
    assert unknown.value.slug == "unknown-secret"
    assert len(entries(admin, "app/demo")) == 3


def test_no_secret_is_in_an_answer_an_entry_a_row_or_a_log_line(
    admin: AdminWorld, ministack: AwsWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor in what is said of one that is refused, whatever is wrong with it."""
    caplog.set_level(logging.DEBUG)
    texts, told = secret_texts(), io.StringIO()
    with redirect_stdout(told), redirect_stderr(told):
        bodies: list[dict[str, Any]] = [
            {"response_keys": KEYS},
            {"service_account": service_account().decode()},
            {"response_keys": KEYS, "service_account": service_account().decode()},
            {"response_keys": {**KEYS, "verification_key": "not a key"}},
            {"response_keys": {**KEYS, "decryption_key": KEYS["decryption_key"][:-9]}},
            {"response_keys": {**KEYS, "more": KEYS["decryption_key"]}},
            {"response_keys": KEYS["decryption_key"]},
            {"service_account": service_account().decode()[:-40]},
            {"service_account": service_account().decode().replace("BEGIN", "START")},
            {"service_account": [service_account().decode()]},
        ]
        for body in bodies:
            status, answer = admin.answer("POST", "/admin/apps/demo/secrets", body)
            assert status in (200, 400, 422)
            told.write(json.dumps(answer))
        admin.answer("GET", "/admin/apps/demo/secrets")
    heard = told.getvalue() + caplog.text + everything(ministack, "audit", "app_secrets")
    assert "change" in heard
    for text in texts:
        for part in (text, text[:24], text[-24:]):
            assert part not in heard


def test_signing_keys_are_rotated_and_it_is_written_down(ministack: AwsWorld) -> None:
    """The function makes them; the entry tells who asked."""
    rotating = Rotating()
    rotated = admin_world(ministack, rotating=rotating)
    answer = rotated.call("POST", "/admin/signing-keys/rotate", {"why": "yearly"})
    assert answer == {"bundle_version": 7, "kids": ["token-1", "token-2"]}
    assert rotating.events == [{"action": "rotate"}]
    (entry,) = entries(rotated, "stack")
    assert (entry["action"], entry["why"]) == ("rotate-signing-keys", "yearly")


@pytest.mark.parametrize("rotating", [Rotating({"errorType": "Unavailable"}, "Unhandled"), Rotating({}), Rotating([])])
def test_rotation_that_fails_is_said_and_stays_written_down(ministack: AwsWorld, rotating: Rotating) -> None:
    """It may have been made: the operator is told where to look."""
    rotated = admin_world(ministack, rotating=rotating)
    with pytest.raises(OperatorError, match="signing-key list"):
        rotated.call("POST", "/admin/signing-keys/rotate", {})
    assert len(entries(rotated, "stack")) == 1


def test_list_of_revoked_keys_is_refreshed_and_it_is_written_down(ministack: AwsWorld) -> None:
    """Who took a list that lost most of its entries can be looked up."""
    refreshing = Rotating({"outcome": "replaced", "entries": 12, "age": 1.5, "detail": "", "more": "?"})
    refreshed = admin_world(ministack, rotating=refreshing)
    answer = refreshed.call("POST", "/admin/endorsements/refresh", {"accept_shrunken": True, "why": "Google said so"})
    assert answer == {"outcome": "replaced", "entries": 12, "age": 1.5, "detail": ""}
    assert refreshing.events == [{"action": "refresh", "force": True, "accept_shrunken": True}]
    (entry,) = entries(refreshed, "stack")
    assert (entry["action"], entry["why"]) == ("refresh-endorsements", "Google said so")
    assert entry["details"] == {"force": "true", "accept_shrunken": "true"}


def test_stack_without_android_has_no_list_to_refresh(ministack: AwsWorld) -> None:
    """One sentence, and no entry of something that cannot be."""
    without = admin_world(ministack)
    without.stack = replace(without.stack, refresh=replace(without.stack.refresh, function=""))
    problem = refused(without, "POST", "/admin/endorsements/refresh", {})
    assert (problem.slug, "no Android apps" in str(problem)) == ("change-refused", True)
    assert entries(without, "stack") == []
