"""Copies for the edge over a bucket in memory; tests/integration has the same over moto, with races and failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError
from service.errors import Unavailable
from service.keys.edge_documents import JWKS, TRUST_BUNDLE, EdgeDocuments
from service.policies.edge_copies import EdgeCopies

from tests.service_stack.memory_stack import APP, ISSUER, MemoryStack


@dataclass
class Bucket:
    """An S3 client of one bucket; ``fails`` is the code of every answer."""

    objects: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    fails: str = ""

    def head_object(self, **named: Any) -> Mapping[str, Any]:
        if self.fails or named["Key"] not in self.objects:
            raise ClientError({"Error": {"Code": self.fails or "404"}}, "HeadObject")
        found = self.objects[named["Key"]]
        return {"Metadata": found["Metadata"], "ETag": found["Body"].decode()}

    def put_object(self, **named: Any) -> None:
        known = self.objects.get(named["Key"])
        wanted = named.get("IfMatch")
        stands = known is None if "IfNoneMatch" in named else wanted in (None, known and known["Body"].decode())
        if self.fails or not stands:
            raise ClientError({"Error": {"Code": self.fails or "PreconditionFailed"}}, "PutObject")
        self.objects[named["Key"]] = named


def copies(stack: MemoryStack, bucket: Bucket) -> EdgeCopies:
    return EdgeCopies(
        edge=EdgeDocuments(bucket, "edge"),
        issuer=ISSUER,
        trust_bundles=stack.trust_bundles,
        apps=stack.apps,
        policies=stack.policies,
    )


def test_what_is_published_is_copied(stack: MemoryStack) -> None:
    """Bundle, keys, and the client policy; what was copied is left as it is, and the next version follows."""
    bucket, version = Bucket(), stack.publish_client_policy()
    for _ in range(2):
        copies(stack, bucket).copy(in_a_hurry=False)
    policies = {f"v1/client-policies/{APP}", f"v1/client-policies/{APP}/{version}"}
    assert bucket.objects.keys() == {TRUST_BUNDLE, JWKS, "v1/trust-bundles/1", *policies}
    latest = stack.trust_bundles.latest(ISSUER)
    assert latest is not None
    assert bucket.objects[TRUST_BUNDLE]["Body"] == latest.jws.encode()


def test_version_that_another_root_signed_takes_the_place_of_its_copy() -> None:
    """And the signature of before never comes back, from a publisher that is slow."""
    edge = EdgeDocuments(bucket := Bucket(), "edge")
    for jws, resigned in (("old", 0), ("new", 5), ("old", 0)):
        edge.put_version("v1/client-policies/demo", jws, 3, resigned)
    assert bucket.objects["v1/client-policies/demo"]["Body"] == b"new"
    edge.put_version("v1/client-policies/demo", "next", 4)
    assert bucket.objects["v1/client-policies/demo"]["Body"] == b"next"


def test_publication_in_a_hurry_copies_the_bundle_alone(stack: MemoryStack) -> None:
    """It is about blocked keys."""
    stack.publish_client_policy()
    bucket = Bucket()
    copies(stack, bucket).copy(in_a_hurry=True)
    assert bucket.objects.keys() == {TRUST_BUNDLE, JWKS, "v1/trust-bundles/1"}


@pytest.mark.parametrize("code", ["AccessDenied", "SlowDown", "NoSuchBucket"])
def test_bucket_that_refuses_is_unavailable(stack: MemoryStack, code: str) -> None:
    with pytest.raises(Unavailable, match=f"of the edge: {code}"):
        copies(stack, Bucket(fails=code)).copy(in_a_hurry=False)


def test_head_that_others_keep_moving_is_given_up(stack: MemoryStack) -> None:
    """Each look finds another head, older than ours: a fault, of which an operator is told."""

    class Moving(Bucket):
        def head_object(self, **_named: Any) -> Mapping[str, Any]:
            return {"Metadata": {"version": "0"}, "ETag": "another"}

    with pytest.raises(Unavailable, match="5 publishers were faster"):
        copies(stack, Moving()).copy(in_a_hurry=True)
