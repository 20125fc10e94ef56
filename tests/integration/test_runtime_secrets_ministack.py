"""Runtime secrets through the Admin API, over the real adapters: versions, two persons, audit, and no value told."""

from __future__ import annotations

import base64
import io
import json
import logging
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest
from service.errors import Overtaken, Unavailable
from service.fallback_modes import PolicyApproval
from service.secrets.runtime_secret import MAX_VALUE_BYTES
from service.secrets.table import DynamoDBRuntimeSecrets
from service.secrets.values import ParameterStoreValues, SecretsManagerValues, SecretValues

from bonafide.operator.admin_api import AdminProblem
from bonafide.operator.runtime_secrets import RuntimeSecretsOfApp, value
from tests.integration.administered_stack import admin, entries
from tests.service_stack.admin_calls import AdminWorld, admin_world
from tests.service_stack.worlds import AwsWorld

__all__ = ["admin"]
pytestmark = pytest.mark.ministack

SHORT, LONG = b"a value that no operator sees", b"a longer one, 5 KB of it " * 200
ARN = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:demo/maps"
PARAMETER = "arn:aws:ssm:eu-central-1:000000000000:parameter/app/demo/maps"


def values_of(world: AwsWorld) -> tuple[DynamoDBRuntimeSecrets, SecretValues]:
    """The table and its values as the releasing function reads them."""
    stored = DynamoDBRuntimeSecrets(world.dynamodb, world.tables["runtime_secrets"])
    return stored, SecretValues(world.wrapping, SecretsManagerValues(), ParameterStoreValues())


def slug(caught: pytest.ExceptionInfo[AdminProblem]) -> tuple[int, str]:
    return caught.value.status, caught.value.slug


def test_versions_grow_whatever_becomes_of_a_secret(admin: AdminWorld, ministack: AwsWorld) -> None:
    """Set, rotated, revoked, set again; each in the audit, and each readable where it is released."""
    secrets, (stored, values) = RuntimeSecretsOfApp(admin, "demo"), values_of(ministack)
    assert secrets.store("maps-key", value(SHORT), rotate=False, why="tiles")["version"] == 1
    found = stored.find("demo", "maps-key")
    assert found is not None
    assert values.of(found, 0.0) == SHORT
    assert secrets.store("maps-key", value(LONG), rotate=True)["version"] == 2
    found = stored.find("demo", "maps-key")
    assert found is not None
    assert (values.of(found, 0.0), found.data_key is not None) == (LONG, True)
    revoked = secrets.revoke("maps-key", why="no longer used")
    assert (revoked["state"], revoked["size"]) == ("revoked", None)
    found = stored.find("demo", "maps-key")
    assert found is not None
    assert (found.wrapped, found.data_key) == (None, None)
    assert secrets.store("maps-key", {"secrets_manager": ARN}, rotate=False)["version"] == 3
    told = [(one["action"], one["details"].get("version"), one["why"]) for one in reversed(entries(admin, "app/demo"))]
    assert told == [
        ("set-secret", 1, "tiles"),
        ("rotate-secret", 2, ""),
        ("revoke-secret", 2, "no longer used"),
        ("set-secret", 3, ""),
    ]
    listed = secrets.list()
    assert [(one["name"], one["version"], one["source"]) for one in listed["secrets"]] == [
        ("maps-key", 3, "secrets-manager")
    ]


@pytest.mark.parametrize(
    ("verb", "body", "expected"),
    [
        ("", {}, (422, "change-refused")),
        ("", {"value": "YQ", "parameter": PARAMETER}, (422, "change-refused")),
        ("", {"value": "a=="}, (422, "change-refused")),
        ("", {"value": ""}, (422, "change-refused")),
        ("", value(bytes(MAX_VALUE_BYTES + 1)), (413, "secret-too-large")),
        (
            "",
            {"secrets_manager": f"{ARN}*"},
            (400, "malformed-request"),
        ),
        ("", {"parameter": ARN}, (400, "malformed-request")),
        ("", {"secrets_manager": ARN.replace("demo/", "")}, (422, "change-refused")),
        ("", {"parameter": PARAMETER.replace("demo", "bank")}, (422, "change-refused")),
        ("", {"parameter": PARAMETER.replace("app/demo/maps", "demo")}, (422, "change-refused")),
        ("rotate", {"value": "YQ"}, (404, "unknown-secret")),
        ("revoke", {}, (404, "unknown-secret")),
        ("approve", {"version": 1, "proposed_by": "a", "proposed_at": 1}, (404, "unknown-secret")),
        ("approve", {"version": 1}, (400, "malformed-request")),
        ("approve", {}, (400, "malformed-request")),
        ("reject", {"version": 0}, (400, "malformed-request")),
    ],
)
def test_bad_change_is_refused_and_leaves_nothing(
    admin: AdminWorld, verb: str, body: dict[str, object], expected: tuple[int, str]
) -> None:
    path = "/admin/apps/demo/runtime-secrets/maps-key" + (f"/{verb}" if verb else "")
    with pytest.raises(AdminProblem) as caught:
        admin.call("POST", path, body)
    assert slug(caught) == expected
    assert (RuntimeSecretsOfApp(admin, "demo").list()["secrets"], entries(admin, "app/demo")) == ([], [])


def test_names_and_apps_that_are_none(admin: AdminWorld) -> None:
    for app, name, expected in (
        ("nowhere", "maps-key", (404, "unknown-app")),
        ("demo", "Maps", (400, "malformed-request")),
        ("demo", "a" * 65, (400, "malformed-request")),
        ("demo", "proposal", None),
    ):
        if expected is None:
            assert RuntimeSecretsOfApp(admin, app).store(name, value(SHORT), rotate=False)["version"] == 1
            continue
        with pytest.raises(AdminProblem) as caught:
            RuntimeSecretsOfApp(admin, app).store(name, value(SHORT), rotate=False)
        assert slug(caught) == expected


def test_secret_that_is_there_is_rotated_and_not_set(admin: AdminWorld) -> None:
    secrets = RuntimeSecretsOfApp(admin, "demo")
    secrets.store("maps-key", value(SHORT), rotate=False)
    with pytest.raises(AdminProblem, match="rotate it") as caught:
        secrets.store("maps-key", value(LONG), rotate=False)
    assert slug(caught) == (422, "change-refused")


def test_two_persons_bring_a_value_and_one_takes_it_away(ministack: AwsWorld, admin: AdminWorld) -> None:
    """Proposed by one, approved by another, exactly as proposed; a proposal releases nothing."""
    desk = admin_world(ministack, approval=PolicyApproval.TWO_PERSON)
    stored, values = values_of(ministack)
    secrets = RuntimeSecretsOfApp(desk, "demo")
    assert secrets.store("maps-key", value(SHORT), rotate=False)["state"] == "proposed"
    assert stored.find("demo", "maps-key") is None
    with pytest.raises(AdminProblem, match="another person") as caught:
        secrets.approve(secrets.proposal("maps-key", 1))
    assert slug(caught) == (403, "second-person-needed")
    desk.name = "bob"
    assert secrets.approve(secrets.proposal("maps-key", 1))["state"] == "active"
    found = stored.find("demo", "maps-key")
    assert found is not None
    assert values.of(found, 0.0) == SHORT
    assert secrets.store("maps-key", value(LONG), rotate=True)["version"] == 2
    assert secrets.reject("maps-key", 2)["state"] == "proposed"
    assert [one["version"] for one in secrets.list()["secrets"]] == [1]
    assert secrets.store("maps-key", value(LONG), rotate=True)["version"] == 2
    waiting = secrets.proposal("maps-key", 2)
    with pytest.raises(AdminProblem, match="proposed anew"):  # an author who swapped it after the other person looked
        secrets.approve({**waiting, "at": waiting["at"] - 1})
    desk.name = "ann"
    assert secrets.revoke("maps-key")["state"] == "revoked"
    with pytest.raises(AdminProblem, match="changed since"):  # a rotation that waited brings back nothing
        secrets.approve(waiting)
    told = [one["action"] for one in reversed(entries(desk, "app/demo"))]
    assert told == [
        "propose-set-secret",
        "approve-secret",
        "propose-rotate-secret",
        "reject-secret",
        "propose-rotate-secret",
        "revoke-secret",
    ]


def test_of_two_who_change_a_secret_one_is_told_of_the_other(admin: AdminWorld, ministack: AwsWorld) -> None:
    """The row is written where it is what was seen."""
    RuntimeSecretsOfApp(admin, "demo").store("maps-key", value(SHORT), rotate=False)
    changes = admin.stack.runtime_secrets
    seen = changes.stored.find("demo", "maps-key")
    RuntimeSecretsOfApp(admin, "demo").store("maps-key", value(LONG), rotate=True)
    assert seen is not None
    (entry,) = [one for one in admin.stack.audit.newest("app/demo") if one.action == "set-secret"]
    with pytest.raises(Overtaken):
        changes.put(seen, type(entry)(subject="app/demo", at=0.0, who="x", action="rotate-secret"), seen=seen)


def test_no_value_is_in_an_answer_an_entry_a_row_or_a_log_line(
    admin: AdminWorld, ministack: AwsWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor in what is said of one that is refused, whatever is wrong with it."""
    caplog.set_level(logging.DEBUG)
    for sdk in ("boto3", "botocore", "urllib3"):  # as service.aws has it for every client of a function
        caplog.set_level(logging.WARNING, logger=sdk)
    told = io.StringIO()
    encoded = str(value(SHORT)["value"])
    bodies: list[dict[str, Any]] = [
        {"value": encoded},
        {"value": encoded, "parameter": PARAMETER},
        {"value": encoded + "="},
        {"value": [encoded]},
        {"value": encoded, "more": encoded},
        {"parameter": encoded},
    ]
    with redirect_stdout(told), redirect_stderr(told):
        for number, body in enumerate(bodies):
            status, answer = admin.answer("POST", f"/admin/apps/demo/runtime-secrets/key-{number}", body)
            assert status in (200, 400, 422)
            told.write(json.dumps(answer))
        told.write(json.dumps(admin.answer("GET", "/admin/apps/demo/runtime-secrets")))
    rows = "".join(
        str(ministack.dynamodb.scan(TableName=ministack.tables[name])["Items"]) for name in ("audit", "runtime_secrets")
    )
    heard = told.getvalue() + caplog.text + rows
    assert "change" in heard
    for text in (encoded, SHORT.decode(), base64.b64encode(SHORT).decode(), SHORT.hex()):
        for part in (text, text[:24], text[-24:]):
            assert part not in heard


def test_row_in_anothers_place_does_not_open(admin: AdminWorld, ministack: AwsWorld) -> None:
    """KMS binds stack, app, name and version."""
    secrets, (stored, values) = RuntimeSecretsOfApp(admin, "demo"), values_of(ministack)
    secrets.store("cheap-key", value(SHORT), rotate=False)
    found = stored.find("demo", "cheap-key")
    assert found is not None
    for changes in ({"name": "dear-key"}, {"version": 2}, {"app": "other"}):
        moved = type(found)(**{name: getattr(found, name) for name in found.__dataclass_fields__} | changes)
        with pytest.raises(Unavailable):
            values.of(moved, 0.0)
