"""Racers that write to the local stack's tables at the same moment."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest
from botocore.config import Config
from service import aws
from service.edge.gateway import Handler

from bonafide.operator.registration import Registration
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.installation import Installation
from tests.service_stack.events import json_of, rest_event, slug_of
from tests.service_stack.memory_stack import APP, APP_ID, AUTHORITY
from tests.service_stack.worlds import AwsWorld

ROUNDS = int(os.environ.get("BONAFIDE_RACE_ROUNDS", "1"))

RACERS = int(os.environ.get("BONAFIDE_RACERS", "200"))

Load = Callable[[AwsWorld, str], ModuleType]


class Race:
    """The functions of one stack on ministack, and a starting line."""

    def __init__(self, world: AwsWorld, function: Load) -> None:
        world.register(Registration(app=APP, apple_app_ids=(APP_ID,)))
        function(world, "rotate_signing_key").handler({"action": "tick"}, None)
        self.world = world
        self.issue: Handler = function(world, "issue_challenge").handler
        self.appraise: Handler = function(world, "appraise_evidence").handler
        self.renew: Handler = function(world, "renew_token").handler

    def challenge(self) -> str:
        answer = self.issue(rest_event("POST", "/v1/challenges", {"app": APP}), None)
        assert answer["statusCode"] == 201, answer
        return str(json_of(answer)["challenge"])

    def run(self, handler: Handler, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """All events at once; every thread waits at the line for the last one."""
        line = threading.Barrier(len(events))

        def racer(event: dict[str, Any]) -> dict[str, Any]:
            line.wait(timeout=60)
            return handler(event, None)

        with ThreadPoolExecutor(max_workers=len(events)) as pool:
            return list(pool.map(racer, events))

    def count(self, table: str) -> int:
        return int(self.world.dynamodb.scan(TableName=self.world.tables[table], Select="COUNT")["Count"])


@pytest.fixture
def race(ministack: AwsWorld, function: Load, monkeypatch: pytest.MonkeyPatch) -> Race:
    # Two hundred threads on a busy machine wait longer than a Lambda function would; that is not what is tested here.
    patient = Config(connect_timeout=60, read_timeout=60, max_pool_connections=RACERS)
    monkeypatch.setattr(aws, "_CONFIG", aws._CONFIG.merge(patient))
    return Race(ministack, function)


def new_installation() -> Installation:
    return Installation.fresh(APP, SoftwareIphone(authority=AUTHORITY, app_id=APP_ID, clock=time.time))


def outcomes(answers: Sequence[dict[str, Any]]) -> Counter[tuple[int, str]]:
    return Counter((answer["statusCode"], slug_of(answer)) for answer in answers)
