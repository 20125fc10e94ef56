"""Registering builds writes what the service reads: both against one DynamoDB (moto), with the template's keys."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from attestation.appraisal.builds import BuildMatch, KnownBuilds, UnknownBuilds
from attestation.claims import KeyStorage, Platform
from attestation.client_data import ClientData
from attestation.reference_values import Environment
from bonafide_tokens.signing import public_key_of
from cryptography.hazmat.primitives.asymmetric import ec
from service.errors import ChangeRefused, Unavailable
from service.tables.audit import AuditEntry, DynamoDBAudit, app_subject
from service.tables.known_builds import Build, BuildExpectations, BuildRegister, DynamoDBBuilds

from bonafide.operator.known_builds import Builds
from bonafide.operator.registration import Registration, Registrations
from tests.minted_claims import minted_claims
from tests.service_stack.faults import injected
from tests.service_stack.worlds import AwsWorld, moto_world

A, B, C = "11" * 32, "22" * 32, "33" * 32
BUILD = Build(platform="android", build="42", version_name="1.2", parts={"classes.dex": (A,), "assets": (B,)})


@pytest.fixture
def world() -> Iterator[AwsWorld]:
    with moto_world() as made:
        made.register(
            Registration(app="demo", android_packages=("org.example.demo",), android_signing_digests=("ab" * 32,))
        )
        yield made


class _Register:
    """The register of one stack, at moments of its own; and the list that the command reads."""

    def __init__(self, world: AwsWorld, kind: type[BuildRegister] = BuildRegister) -> None:
        tables, audit = world.tables, DynamoDBAudit(world.dynamodb, world.tables["audit"])
        self.register = kind(world.dynamodb, tables["builds"], tables["apps"], audit)
        self.list = Builds(world.dynamodb, tables["builds"]).list
        self.moments = iter(range(1_000, 100_000, 1_000))

    def put(self, app: str, build: Build) -> Build:
        entry = AuditEntry(subject=app_subject(app), at=next(self.moments), who="anna", action="register-build")
        return self.register.put(app, build, entry)


def _builds(world: AwsWorld) -> _Register:
    return _Register(world)


def _expected(world: AwsWorld) -> KnownBuilds | None:
    app = world.apps.find("demo")
    assert app is not None
    return app.builds.by_platform.get("android")


def test_registered_build_is_read_by_the_service(world: AwsWorld) -> None:
    """The command and the functions agree on the row, and the app says that it has builds."""
    assert _expected(world) == KnownBuilds()
    _builds(world).put("demo", BUILD)
    known = DynamoDBBuilds(world.dynamodb, world.tables["builds"]).find("demo", "android", "42")
    assert known is not None
    assert (known.build, known.parts) == ("42", BUILD.parts)
    assert _expected(world) == KnownBuilds(registered=True)


@pytest.mark.parametrize("key", [("demo", "android", "43"), ("demo", "apple", "42"), ("shop", "android", "42")])
def test_other_build_platform_or_app_is_none(world: AwsWorld, key: tuple[str, str, str]) -> None:
    """Absent is an answer, not an error."""
    _builds(world).put("demo", BUILD)
    assert DynamoDBBuilds(world.dynamodb, world.tables["builds"]).find(*key) is None


@pytest.mark.parametrize(
    "build", ["\ud800", "4" * 1017, "\u4e2d" * 340, "4" * 100_000], ids=["surrogate", "long", "wide", "huge"]
)
def test_build_that_no_row_can_have_is_unknown(world: AwsWorld, build: str) -> None:
    """The attack: a build number that DynamoDB refuses, and each such request is an error of ours, with an alarm."""
    builds = DynamoDBBuilds(world.dynamodb, world.tables["builds"])
    assert builds.find("demo", "android", build) is None
    assert builds.find("demo", "android", "4" * 1016) is None  # as long as a key can be, and asked for


def test_second_artefact_of_a_build_joins_it(world: AwsWorld) -> None:
    """Splits add parts, another store's file adds digests; the first date stays."""
    builds = _builds(world)
    builds.put("demo", BUILD)
    both = builds.put(
        "demo", Build(platform="android", build="42", parts={"classes.dex": (C, A), "lib/arm64-v8a/libapp.so": (B,)})
    )
    assert both.parts == {"classes.dex": (A, C), "assets": (B,), "lib/arm64-v8a/libapp.so": (B,)}
    assert (both.version_name, both.registered_at, both.updated_at) == ("1.2", 1_000, 2_000)


def test_builds_are_listed_newest_first(world: AwsWorld) -> None:
    """Numbers in the order of numbers, platforms apart, other apps left out."""
    builds = _builds(world)
    world.register(Registration(app="shop", apple_app_ids=("TEAMID1234.org.example.shop",)))
    for platform, number in (("android", "9"), ("android", "10"), ("apple", "1.9"), ("apple", "1.10")):
        builds.put("demo", Build(platform=platform, build=number, parts={}))
    builds.put("shop", Build(platform="apple", build="7", parts={}))
    listed = [(build.platform, build.build) for build in builds.list("demo")]
    assert listed == [("android", "10"), ("android", "9"), ("apple", "1.10"), ("apple", "1.9")]
    assert [build.build for build in builds.list("demo", "apple")] == ["1.10", "1.9"]


def test_build_of_an_app_that_is_not_registered_is_one_sentence(world: AwsWorld) -> None:
    """First the app, then its builds."""
    with pytest.raises(ChangeRefused, match="No app called nobody is registered"):
        _builds(world).put("nobody", BUILD)


def test_build_too_large_for_a_row_is_one_sentence(world: AwsWorld) -> None:
    """DynamoDB's limit is met with words, not with its exception."""
    parts = {f"lib/arm64-v8a/lib{number:05}.so": (A,) for number in range(5_000)}
    with pytest.raises(ChangeRefused, match="more than a row can hold"):
        _builds(world).put("demo", Build(platform="android", build="42", parts=parts))


def test_minimum_and_dial_survive_a_new_build_and_builds_survive_registering_again(world: AwsWorld) -> None:
    """Two commands write one row, each its own members."""
    registrations = Registrations(world.dynamodb, world.tables["apps"])
    registrations.put(
        Registration(
            app="demo",
            android_packages=("org.example.demo",),
            android_signing_digests=("ab" * 32,),
            minimum_builds={"android": "41"},
            unknown_builds="refuse",
        )
    )
    _builds(world).put("demo", BUILD)
    expected = KnownBuilds(registered=True, minimum="41", unknown=UnknownBuilds.REFUSE)
    assert _expected(world) == expected
    registrations.put(registrations.get("demo"))
    assert _expected(world) == expected
    stands = registrations.get("demo")
    assert (dict(stands.minimum_builds), stands.unknown_builds) == ({"android": "41"}, "refuse")


def test_damaged_row_is_an_outage_of_ours(world: AwsWorld) -> None:
    """A build half understood would call genuine apps modified."""
    _builds(world).put("demo", BUILD)
    for damaged in ("{", "[]", '{"classes.dex": 7}'):
        world.dynamodb.update_item(
            TableName=world.tables["builds"],
            Key={"app": {"S": "demo"}, "build": {"S": "android#42"}},
            UpdateExpression="SET parts = :parts",
            ExpressionAttributeValues={":parts": {"S": damaged}},
        )
        with pytest.raises(Unavailable, match="registered wrongly"):
            DynamoDBBuilds(world.dynamodb, world.tables["builds"]).find("demo", "android", "42")


def test_artefact_that_is_joined_while_another_one_is_loses_nothing(world: AwsWorld) -> None:
    """The failure: two machines register artefacts of one build at the same moment, and the parts of one are gone."""
    _builds(world).put("demo", BUILD)

    class Overtaken(BuildRegister):
        def _find(self, app: str, build: Build) -> Build | None:
            found = BuildRegister._find(self, app, build)
            if found is not None and "tablet" not in found.parts:
                _builds(world).put(app, replace(BUILD, parts={"tablet": (C,)}))
            return found

    late = _Register(world, Overtaken)
    stands = late.put("demo", replace(BUILD, parts={"watch": (C,)}))
    assert set(stands.parts) == {"classes.dex", "assets", "tablet", "watch"}


GENUINE = {"classes.dex": A, "assets": B}


def _compare(builds: DynamoDBBuilds, measured: dict[str, str]) -> BuildMatch:
    data = ClientData(
        digest=b"",
        challenge="",
        request_key=public_key_of(ec.generate_private_key(ec.SECP256R1())),
        app_build="42",
        measurements=measured,
    )
    claims = minted_claims(
        format="key-signature",
        platform=Platform.ANDROID,
        app_id="org.example.demo",
        public_key=b"",
        key_storage=KeyStorage.TEE,
        environment=Environment.PRODUCTION,
        chain_profile="strict",
    )
    expected = BuildExpectations({"android": KnownBuilds(registered=True)})
    compared = expected.compare(builds, app="demo", claims=claims, client_data=data)
    assert compared is not None
    return compared.match


def test_build_that_matches_is_read_once(world: AwsWorld) -> None:
    """The cost: all devices of a release read one row, of tens of kilobytes."""
    _builds(world).put("demo", BUILD)
    builds = DynamoDBBuilds(world.dynamodb, world.tables["builds"])
    with injected(world.dynamodb, "GetItem", lambda _request: None) as reads:
        assert {_compare(builds, GENUINE) for _ in range(20)} == {BuildMatch.KNOWN}
    assert len(reads) == 1


def test_build_that_does_not_match_is_read_every_time(world: AwsWorld) -> None:
    """Another artefact counts at once, and nothing is refused by what was."""
    _builds(world).put("demo", BUILD)
    builds = DynamoDBBuilds(world.dynamodb, world.tables["builds"])
    assert _compare(builds, GENUINE) is BuildMatch.KNOWN
    assert _compare(builds, GENUINE | {"classes.dex": C}) is BuildMatch.DIFFERS
    _builds(world).put("demo", Build(platform="android", build="42", parts={"classes.dex": (C,)}))
    assert _compare(builds, GENUINE | {"classes.dex": C}) is BuildMatch.KNOWN
    assert _compare(builds, {}) is BuildMatch.UNMEASURED


def test_unknown_build_is_known_as_soon_as_it_is_registered(world: AwsWorld) -> None:
    """Absence is not remembered: a release goes out minutes after it was registered."""
    builds = DynamoDBBuilds(world.dynamodb, world.tables["builds"])
    assert _compare(builds, GENUINE) is BuildMatch.UNKNOWN
    _builds(world).put("demo", BUILD)
    assert _compare(builds, GENUINE) is BuildMatch.KNOWN


def test_remembered_builds_are_bounded_and_grow_old(world: AwsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """By number and by time: the longer of what two clocks say."""
    for number in range(40):
        _builds(world).put("demo", replace(BUILD, build=str(number)))
    builds = DynamoDBBuilds(world.dynamodb, world.tables["builds"])
    for number in range(40):
        assert builds.find("demo", "android", str(number)) is not None
    assert [builds.recalled("demo", "android", str(number)) is not None for number in (0, 7, 8, 39)] == [
        False, False, True, True,
    ]  # fmt: skip
    later = time.time() + 601
    monkeypatch.setattr("service.tables.known_builds.time.time", lambda: later)
    assert builds.recalled("demo", "android", "39") is None
