"""Adapters over moto and ministack, and functions wired as in Lambda."""

from __future__ import annotations

import base64
import importlib
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
from service import aws

from devkit.local.aws import running_ministack
from tests.service_stack.memory_stack import AUTHORITY
from tests.service_stack.worlds import AwsWorld, MemoryWorld, World, ministack_world, moto_world


@pytest.fixture(autouse=True)
def _no_real_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of the operator's own AWS settings reaches a test, and no client outlives one."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    clients = (aws.dynamodb, aws.kms, aws.queues, aws.events, aws.topics)
    for client in clients:
        client.cache_clear()
    yield
    for client in clients:
        client.cache_clear()


@pytest.fixture(scope="session")
def ministack_url() -> Iterator[str]:
    """One ministack for all tests of this process."""
    with running_ministack() as endpoint_url:
        yield endpoint_url


@pytest.fixture
def ministack(ministack_url: str) -> AwsWorld:
    """Fresh tables and keys on ministack."""
    return ministack_world(ministack_url)


@pytest.fixture
def moto() -> Iterator[AwsWorld]:
    """Fresh tables and keys in this process."""
    with moto_world() as world:
        yield world


@pytest.fixture(params=["memory", "moto", pytest.param("ministack", marks=pytest.mark.ministack)])
def world(request: pytest.FixtureRequest) -> World:
    """Each kind of AWS in turn; what holds for one must hold for all."""
    if request.param == "memory":
        return MemoryWorld()
    found: World = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Callable[[AwsWorld, str], ModuleType]:
    """Loads a function module afresh, with the environment it would have in a world, as a cold start does."""

    def load(world: AwsWorld, name: str) -> ModuleType:
        anchors = base64.b64encode(AUTHORITY.root_certificate).decode("ascii")
        for variable, text in {**world.environment, "DEVELOPMENT_TRUST_ANCHORS": anchors}.items():
            monkeypatch.setenv(variable, text)
        return importlib.reload(importlib.import_module(name))

    return load
