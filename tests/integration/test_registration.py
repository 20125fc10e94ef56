"""Registering an app writes what the service reads: both against one DynamoDB (moto)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from attestation.reference_values import Environment
from moto import mock_aws
from service.errors import ChangeRefused
from service.tables.apps import DynamoDBApps

from bonafide.operator.registration import Registration, Registrations

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
    assert app.reference_values.apple.environments == frozenset({Environment.PRODUCTION, Environment.DEVELOPMENT})


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
    with pytest.raises(ChangeRefused, match="--play-expected"):
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
    with pytest.raises(ChangeRefused, match="No app called nobody is registered"):
        Registrations(dynamodb, TABLE).get("nobody")


@pytest.mark.parametrize(
    ("registration", "sentence"),
    [
        (Registration(app="demo"), "Name at least one app id"),
        (Registration(app="demo", android_packages=("org.example.demo",)), "needs both --android-package"),
        (Registration(app="demo", android_signing_digests=("ab" * 32,)), "Name at least one app id"),
        (
            Registration(app="demo", apple_app_ids=(APP_ID,), android_signing_digests=("ab" * 32,)),
            "needs both --android-package",
        ),
        (Registration(app="demo", harmony_bundle_names=("org.example.demo",)), "they pin its signer"),
        (Registration(app="demo", apple_app_ids=(APP_ID,), harmony_app_ids=("x",)), "needs its bundle name"),
        (
            Registration(app="demo", android_packages=("demo",), android_signing_digests=("ab" * 32,)),
            "is not a package or bundle name",
        ),
        (
            Registration(app="demo", android_packages=("org.example.demo",), android_signing_digests=("AB" * 32,)),
            "is not a SHA-256 in hex",
        ),
        (
            Registration(app="demo", harmony_bundle_names=("org.example.demo",), harmony_app_ids=("a b",)),
            "cannot be an app id",
        ),
        (Registration(app="demo", apple_app_ids=(APP_ID,), minimum_builds={"ios": "42"}), "is not a minimum build"),
        (Registration(app="demo", apple_app_ids=(APP_ID,), minimum_builds={"apple": "x"}), "is not a minimum build"),
        (Registration(app="demo", apple_app_ids=(APP_ID,), unknown_builds="perhaps"), "allow, warn, refuse"),
        (Registration(app="demo", apple_app_ids=(APP_ID,) * 65), "are too many"),
    ],
)
def test_incomplete_or_odd_registration_writes_nothing(
    dynamodb: Any, registration: Registration, sentence: str
) -> None:
    """A name without a signer would make every repackaged copy the app."""
    with pytest.raises(ChangeRefused, match=sentence):
        Registrations(dynamodb, TABLE).put(registration)
    assert Registrations(dynamodb, TABLE).list() == []


def test_members_of_other_commands_survive_registering_again(dynamodb: Any) -> None:
    """Two commands write one row; neither forgets the other's part, and a platform that is gone is gone whole."""
    registrations = Registrations(dynamodb, TABLE)
    android = Registration(
        app="demo",
        apple_app_ids=(APP_ID,),
        android_packages=("org.example.demo",),
        android_signing_digests=("ab" * 32,),
    )
    registrations.put(android)
    dynamodb.update_item(
        TableName=TABLE,
        Key={"app": {"S": "demo"}},
        UpdateExpression="SET reference_values.android.later = :x, reference_values.apple.later = :x",
        ExpressionAttributeValues={":x": {"S": "x"}},
    )
    registrations.put(android)
    item = dynamodb.get_item(TableName=TABLE, Key={"app": {"S": "demo"}})["Item"]["reference_values"]["M"]
    assert item["android"]["M"]["later"] == item["apple"]["M"]["later"] == {"S": "x"}
    registrations.put(Registration(app="demo", apple_app_ids=(APP_ID,)))
    item = dynamodb.get_item(TableName=TABLE, Key={"app": {"S": "demo"}})["Item"]["reference_values"]["M"]
    assert item.keys() == {"apple"}


def test_change_between_reading_and_writing_is_noticed(dynamodb: Any) -> None:
    """Two operators at once: the later one is told, and nothing of the earlier one's is lost."""
    registrations = Registrations(dynamodb, TABLE, clock=lambda: 1_000.0)
    registrations.put(Registration(app="demo", apple_app_ids=(APP_ID,)))

    class Overtaken(Registrations):
        __slots__ = ()

        def _item(self, app: str) -> dict[str, Any] | None:
            item = Registrations._item(self, app)
            registrations.put(Registration(app="demo", apple_app_ids=("OTHERTEAM1.org.example.demo",)))
            return item

    with pytest.raises(ChangeRefused, match="Another operator changed demo"):
        Overtaken(dynamodb, TABLE, clock=lambda: 1_000.0).put(Registration(app="demo", apple_app_ids=(APP_ID,)))
    assert registrations.get("demo").apple_app_ids == ("OTHERTEAM1.org.example.demo",)
