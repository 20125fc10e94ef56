"""Registering an app writes what the service reads: both against one DynamoDB (moto)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from attestation.reference_values import Environment
from moto import mock_aws
from service.apps import DynamoDBApps

from bonafide.operator_error import OperatorError
from bonafide.registration import Registration, Registrations

TABLE = "apps"
APP_ID = "TEAMID1234.org.example.demo"


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-central-1")
        client.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "app", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "app", "KeyType": "HASH"}],
        )
        yield client


def test_registered_app_is_read_by_the_service(dynamodb: Any) -> None:
    """The command and the functions agree on the row, member by member."""
    Registrations(dynamodb, TABLE).put(
        Registration(
            app="demo",
            apple_app_ids=(APP_ID, "TEAMID1234.org.example.demo.Clip"),
            apple_environments=("production", "development"),
            audiences=("orders-api", "profile-api"),
        )
    )
    app = DynamoDBApps(dynamodb, TABLE).find("demo")
    assert app is not None
    assert app.audiences == ("orders-api", "profile-api")
    assert app.reference_values.apple is not None
    assert app.reference_values.apple.app_ids == (APP_ID, "TEAMID1234.org.example.demo.Clip")
    assert app.reference_values.apple.environments == frozenset(Environment)


def test_default_registration_takes_production_keys_only(dynamodb: Any) -> None:
    """A development build must be asked for by name."""
    Registrations(dynamodb, TABLE).put(Registration(app="demo", apple_app_ids=(APP_ID,)))
    app = DynamoDBApps(dynamodb, TABLE).find("demo")
    assert app is not None
    assert app.reference_values.apple is not None
    assert app.reference_values.apple.environments == frozenset({Environment.PRODUCTION})


def test_play_dial_is_read_by_the_service(dynamodb: Any) -> None:
    """Off unless the owner turns it on, and only for Android."""
    registrations = Registrations(dynamodb, TABLE)
    android = Registration(
        app="demo", android_packages=("org.example.demo",), android_signing_digests=("ab" * 32,), play_expected=True
    )
    for registration in (replace(android, play_expected=False), android):
        assert registrations.put(registration).play_expected is registration.play_expected
        app = DynamoDBApps(dynamodb, TABLE).find("demo")
        assert app is not None
        assert app.reference_values.android is not None
        assert app.reference_values.android.play_expected is registration.play_expected
    with pytest.raises(OperatorError, match="--play-expected"):
        registrations.put(Registration(app="other", apple_app_ids=(APP_ID,), play_expected=True))


def test_registering_again_replaces_what_stood_and_keeps_the_first_date(dynamodb: Any) -> None:
    """No app id of a former registration lingers."""
    moments = iter((1_000.0, 2_000.0))
    registrations = Registrations(dynamodb, TABLE, clock=lambda: next(moments))
    registrations.put(Registration(app="demo", apple_app_ids=(APP_ID,), audiences=("old-api",)))
    registrations.put(Registration(app="demo", apple_app_ids=("OTHERTEAM1.org.example.demo",)))
    stands = registrations.get("demo")
    assert stands == Registration(
        app="demo", apple_app_ids=("OTHERTEAM1.org.example.demo",), created_at=1_000, updated_at=2_000
    )


def test_list_is_sorted_and_complete(dynamodb: Any) -> None:
    """Every app once, by name."""
    registrations = Registrations(dynamodb, TABLE)
    assert registrations.list() == []
    for name in ("shop", "bank", "game"):
        registrations.put(Registration(app=name, apple_app_ids=(APP_ID,)))
    assert [registration.app for registration in registrations.list()] == ["bank", "game", "shop"]


def test_app_that_is_not_registered_is_one_sentence(dynamodb: Any) -> None:
    """`bonafide app show` of a typing error."""
    with pytest.raises(OperatorError, match="No app called nobody is registered"):
        Registrations(dynamodb, TABLE).get("nobody")
