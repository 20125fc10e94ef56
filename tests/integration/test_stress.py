"""Stress that an operator declares, through the Admin API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bonafide.operator.admin_api import AdminProblem
from bonafide.operator.key_blocking import KeyBlocking
from bonafide.operator.registration import Registration
from tests.service_stack.admin_calls import AdminWorld, admin_world
from tests.service_stack.worlds import AwsWorld, moto_world

DEMO = Registration(app="demo", android_packages=("org.example.demo",), android_signing_digests=("ab" * 32,))


@pytest.fixture
def world() -> Iterator[AwsWorld]:
    with moto_world() as made:
        made.register(DEMO)
        yield made


@pytest.fixture
def admin(world: AwsWorld) -> AdminWorld:
    return admin_world(world)


def _read_by_functions(world: AwsWorld) -> int:
    app = world.apps.find("demo")
    assert app is not None
    return app.stressed_until


def _audited(admin: AdminWorld) -> list[tuple[str, Any]]:
    entries = admin.call("GET", "/admin/audit?subject=app/demo")["entries"]
    return [(entry["action"], entry["details"]) for entry in entries]


def test_declared_stress_is_read_by_the_functions_and_told_in_the_audit(world: AwsWorld, admin: AdminWorld) -> None:
    tokens = KeyBlocking(admin)
    assert tokens.stretched_until("demo") == 0
    until = tokens.stretch("demo", 3_600, reason="DynamoDB throttles")
    assert until > 3_600
    assert tokens.stretched_until("demo") == _read_by_functions(world) == until
    assert tokens.stretch("demo", 0, reason="") == 0
    assert _read_by_functions(world) == 0
    assert sorted(_audited(admin)) == [("declare-stress", {"seconds": 3_600}), ("end-stress", {"seconds": 0})]


def test_registering_the_app_again_ends_none(world: AwsWorld, admin: AdminWorld) -> None:
    until = KeyBlocking(admin).stretch("demo", 600, reason="")
    world.register(DEMO)
    assert _read_by_functions(world) == until


@pytest.mark.parametrize("seconds", [-1, 86_401, 10**9])
def test_a_day_is_the_longest(admin: AdminWorld, seconds: int) -> None:
    with pytest.raises(AdminProblem, match="form"):
        KeyBlocking(admin).stretch("demo", seconds, reason="")


def test_an_app_that_is_not_registered_has_none(admin: AdminWorld) -> None:
    with pytest.raises(AdminProblem, match="registered"):
        KeyBlocking(admin).stretch("other", 60, reason="")
    with pytest.raises(AdminProblem, match="registered"):
        KeyBlocking(admin).stretched_until("other")
