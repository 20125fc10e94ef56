"""What is published reaches the edge's bucket, whole, and no head ever goes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from service.aws import s3
from service.errors import Unavailable
from service.keys.edge_documents import JWKS, TRUST_BUNDLE, EdgeDocuments
from service.policies.edge_copies import EdgeCopies
from service.tables.trust_bundles import StoredBundle

from bonafide.operator.registration import Registration
from tests.service_stack.fakes import MemoryTrustBundles
from tests.service_stack.memory_stack import APP, ISSUER, MemoryStack
from tests.service_stack.worlds import AwsWorld, MemoryWorld

BUCKET = "edge-of-a-test"
Load = Callable[[AwsWorld, str], ModuleType]


def bundle(version: int, *, lifetime: int = 21_600) -> StoredBundle:
    return StoredBundle(
        version=version, jws=f"head.{version}.sig", jwks=f'{{"keys":[{version}]}}', issued_at=0, expires_at=lifetime
    )


@dataclass
class Race:
    """An S3 client before whose first conditional write of a head another publisher does ``first``."""

    client: Any
    first: Callable[[], None] = field(default=lambda: None)

    def head_object(self, **named: Any) -> Any:
        return self.client.head_object(**named)

    def put_object(self, **named: Any) -> Any:
        if "IfMatch" in named or "IfNoneMatch" in named:
            first, self.first = self.first, lambda: None
            first()
        return self.client.put_object(**named)


@pytest.fixture
def client(moto: AwsWorld) -> Iterator[Any]:
    """S3 in this process, with an empty bucket."""
    s3.cache_clear()
    made = s3()
    made.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield made
    s3.cache_clear()


@pytest.fixture
def edge(client: Any) -> EdgeDocuments:
    return EdgeDocuments(client, BUCKET)


def found(client: Any, key: str) -> tuple[str, str, str]:
    """An object's content, type and Cache-Control."""
    answer = client.get_object(Bucket=BUCKET, Key=key)
    return answer["Body"].read().decode(), answer["ContentType"], answer["CacheControl"]


def keys(client: Any) -> list[str]:
    return [item["Key"] for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", ())]


def test_bundle_has_a_version_that_stays_and_a_head_that_moves(edge: EdgeDocuments, client: Any) -> None:
    """The head is fresh for a second, and good while its bundle is valid when the bucket cannot be asked."""
    edge.put_bundle(bundle(1))
    edge.put_bundle(bundle(2, lifetime=7200))
    for version in (1, 2):
        text, media_type, cache = found(client, f"v1/trust-bundles/{version}")
        assert (text, media_type, cache) == (
            f"head.{version}.sig",
            "application/jwt",
            "public, max-age=31536000, immutable",
        )
    head = "public, max-age=1, stale-if-error=7200"
    assert found(client, TRUST_BUNDLE) == ("head.2.sig", "application/jwt", head)
    assert found(client, JWKS) == ('{"keys":[2]}', "application/json", head)


def test_head_never_goes_back(edge: EdgeDocuments, client: Any) -> None:
    """A publisher that was held up must not bring back the bundle from before a block."""
    edge.put_bundle(bundle(8))
    edge.put_bundle(bundle(7))
    edge.put_bundle(bundle(8))
    assert found(client, TRUST_BUNDLE)[0] == "head.8.sig"
    assert found(client, JWKS)[0] == '{"keys":[8]}'


@pytest.mark.parametrize("before", [None, 5])
@pytest.mark.parametrize(("other", "stands"), [(6, 7), (8, 8)])
def test_racing_publishers_leave_the_newest_head(client: Any, before: int | None, other: int, stands: int) -> None:
    """Between the look at a head and the write of it another publisher writes: S3 judges the condition."""
    if before is not None:
        EdgeDocuments(client, BUCKET).put_bundle(bundle(before))
    race = Race(client, lambda: EdgeDocuments(client, BUCKET).put_bundle(bundle(other)))
    EdgeDocuments(race, BUCKET).put_bundle(bundle(7))
    assert found(client, TRUST_BUNDLE)[0] == f"head.{stands}.sig"
    assert found(client, JWKS)[0] == f'{{"keys":[{stands}]}}'


def test_lost_bucket_is_unavailable(client: Any) -> None:
    """Not passed over: those who ask at the edge would go on by the bundle from before a block."""
    with pytest.raises(Unavailable, match="s3:PutObject of the edge: NoSuchBucket"):
        EdgeDocuments(client, "no-such-bucket").put_bundle(bundle(1))


class Refusing:
    """An S3 client that refuses to say whether a head is there."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.put: list[str] = []

    def head_object(self, **_named: Any) -> Any:
        raise self.error

    def put_object(self, **named: Any) -> None:
        self.put.append(named["Key"])


@pytest.mark.parametrize(
    "error",
    [ClientError({"Error": {"Code": "403"}}, "HeadObject"), EndpointConnectionError(endpoint_url="https://s3.example")],
)
def test_head_that_cannot_be_seen_is_not_written(error: Exception) -> None:
    """Forbidden is not absent."""
    refusing = Refusing(error)
    with pytest.raises(Unavailable, match="s3:HeadObject"):
        EdgeDocuments(refusing, BUCKET).put_bundle(bundle(1))
    assert refusing.put == ["v1/trust-bundles/1"]


def copies(edge: EdgeDocuments, stack: MemoryStack) -> EdgeCopies:
    return EdgeCopies(
        edge=edge, issuer=ISSUER, trust_bundles=stack.trust_bundles, apps=stack.apps, policies=stack.policies
    )


def test_stable_client_policy_is_copied(edge: EdgeDocuments, client: Any) -> None:
    """Rollouts are for the API, which knows each install: at the edge is what everyone outside one has."""
    stack = MemoryStack()
    copying = copies(edge, stack)
    copying.copy_client_policies()
    assert keys(client) == []
    first = stack.publish_client_policy()
    stack.publish_client_policy('{"format": 1, "refresh_seconds": 7200}', rollout=10)
    copying.copy_client_policies()
    copying.copy_client_policies()
    assert keys(client) == [f"v1/client-policies/{APP}", f"v1/client-policies/{APP}/{first}"]
    signed = stack.policies.find(APP, first)
    assert signed is not None
    text, media_type, cache = found(client, f"v1/client-policies/{APP}")
    assert (text, media_type, cache) == (
        signed.client_jws,
        "application/jwt",
        "public, max-age=1, stale-if-error=86400",
    )


def test_stack_without_a_bundle_has_nothing_to_copy(edge: EdgeDocuments, client: Any) -> None:
    stack = MemoryStack()
    stack.trust_bundles = MemoryTrustBundles()
    copies(edge, stack).copy_bundle()
    assert keys(client) == []


def test_names_are_those_of_all_apps(moto: AwsWorld) -> None:
    """In one order, by fake and real adapter alike."""
    memory = MemoryWorld()
    for name in [f"app-{number:03}" for number in range(5)]:
        for world in (moto, memory):
            world.register(Registration(app=name, apple_app_ids=("TEAMID1234.com.example.app",)))
    names = tuple(f"app-{number:03}" for number in range(5))
    assert memory.apps.names() == names  # type: ignore[attr-defined]
    assert moto.apps.names() == names  # type: ignore[attr-defined]


def with_edge(
    world: AwsWorld,
    function: Load,
    monkeypatch: pytest.MonkeyPatch,
    bucket: str,
    name: str = "rotate_signing_key",
) -> Any:
    """A publishing function's handler, in a stack with an edge."""
    module = function(world, name)
    monkeypatch.setenv("EDGE_BUCKET", bucket)
    return module.handler


def test_publication_writes_the_edge(
    moto: AwsWorld, client: Any, function: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hourly run, an operator's, and that of functions which blocked a key."""
    asked = (("rotate_signing_key", "tick"), ("publish_bundle", "publish"), ("publish_bundle", "gather"))
    for number, (name, action) in enumerate(asked, 1):
        handler = with_edge(moto, function, monkeypatch, BUCKET, name)
        assert handler({"action": action}, None)["BundleVersion"] == number
        latest = moto.trust_bundles.latest(ISSUER)
        assert latest is not None
        assert (latest.version, found(client, TRUST_BUNDLE)[0]) == (number, latest.jws)
        assert found(client, JWKS)[0] == latest.jwks


@pytest.mark.parametrize(
    ("name", "action"),
    [("rotate_signing_key", "tick"), ("publish_bundle", "publish"), ("publish_bundle", "gather")],
)
def test_publication_that_misses_the_edge_fails(
    moto: AwsWorld, client: Any, function: Load, monkeypatch: pytest.MonkeyPatch, name: str, action: str
) -> None:
    """So that Lambda repeats it, and an operator is told: a block does not hold where the edge is asked."""
    with_edge(moto, function, monkeypatch, BUCKET)({"action": "tick"}, None)
    # moto signs digests wrongly (LOCAL_STACK.md §6), so no root of its stack signed the bundle before.
    monkeypatch.setattr("service.roots.accepted.refuse_untold", lambda _roots, _signed: None)
    with pytest.raises(Unavailable, match="of the edge"):
        with_edge(moto, function, monkeypatch, "no-such-bucket", name)({"action": action}, None)


def test_deployment_does_not_fail_for_the_edge(
    moto: AwsWorld, client: Any, function: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bucket and rights are made with the function; a right that is seconds old may not hold yet."""
    handler = with_edge(moto, function, monkeypatch, "no-such-bucket")
    answers: list[object] = []
    module = __import__("rotate_signing_key")

    def answer(_request: object, work: Callable[[], object], **_named: object) -> dict[str, object]:
        answers.append(work())
        return {}

    monkeypatch.setattr(module, "answer_custom_resource", answer)
    event = {
        "RequestType": "Create",
        "ResponseURL": "http://127.0.0.1:9/answer",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "FirstSigningKey",
        "ResourceType": "Custom::FirstSigningKey",
        "ResourceProperties": {},
    }
    handler(event, None)
    assert len(answers) == 1
    assert isinstance(moto.trust_bundles.latest(ISSUER), StoredBundle)


def test_stack_without_an_edge_needs_no_s3(moto: AwsWorld, function: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    module = function(moto, "rotate_signing_key")
    monkeypatch.setattr("service.policies.edge_copies.s3", lambda: pytest.fail("S3 was asked"))
    assert isinstance(module.handler({"action": "tick"}, None), dict)
