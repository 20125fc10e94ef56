"""The Admin API and the regions: documents by epoch, who may sign them, and what is administered where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from service.admin.publication import Published
from service.keys.key_ring import KeyRing
from service.regions.administered import AdministeredRegions
from service.regions.document import open_regions
from service.regions.homes import Homes
from service.regions.table import RegionDocuments
from service.tables.audit import DynamoDBAudit
from service.tables.signing_keys import Purpose

from bonafide.operator.admin_api import AdminProblem
from bonafide.regions.regions import Regions
from tests.integration.administered_stack import admin as admin
from tests.integration.administered_stack import entries, refused
from tests.service_stack.admin_calls import AdminWorld
from tests.service_stack.memory_stack import ISSUER
from tests.service_stack.worlds import AwsWorld

EU, US = "https://eu.example/v1", "https://us.example/v1"
CANNOT_BE: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("us", "lose", {"adopter": "us"}),
    ("us", "lose", {"adopter": "ap"}),
    ("ap", "lose", {"adopter": "eu"}),
    ("us", "restore", {}),
    ("eu", "administer", {}),
    ("eu", "found", {"url": EU}),
    ("us", "add", {"url": US}),
    ("ap", "add", {"url": "http://ap.example"}),
)


def of_region(admin: AdminWorld, world: AwsWorld, name: str) -> AdminWorld:
    """The Admin API of a region called ``name``, over the same tables."""
    audit = DynamoDBAudit(world.dynamodb, world.tables["audit"])
    regions = AdministeredRegions(
        region=name,
        issuer=ISSUER,
        roots=(world.root_key.public_key(),),
        documents=RegionDocuments(world.dynamodb, world.tables["signing_keys"], audit),
        sign=world.root_key.sign,
    )
    blocking = replace(admin.stack.blocking, require_home=regions.require_home)
    return replace(admin, stack=replace(admin.stack, regions=regions, blocking=blocking))


def changed(admin: AdminWorld, region: str, change: str, **members: str) -> dict[str, Any]:
    regions = Regions(admin)
    return regions.change(region, change, regions.show(), **{"why": "seen", **members})


@pytest.fixture
def two(admin: AdminWorld, ministack: AwsWorld) -> tuple[AdminWorld, AdminWorld]:
    """The Admin APIs of ``eu``, where the stack is administered, and of ``us``."""
    changed(of_region(admin, ministack, ""), "eu", "found", url=EU, why="another follows")
    eu, us = of_region(admin, ministack, "eu"), of_region(admin, ministack, "us")
    changed(eu, "us", "add", url=US)
    return eu, us


@pytest.mark.parametrize("url", ["", "http://eu.example", "ftp://eu.example"])
def test_first_document_that_cannot_be_is_refused(admin: AdminWorld, ministack: AwsWorld, url: str) -> None:
    """An address of no use, as the fuzzer found: a refusal, and no fault of ours."""
    nameless = of_region(admin, ministack, "")
    body = {"adopter": "", "expected_epoch": 0, "url": url, "why": "another follows"}
    with pytest.raises(AdminProblem, match="begins with https"):
        nameless.call("POST", "/admin/regions/eu/found", body)
    assert Regions(nameless).show()["epoch"] == 0


def test_life_of_two_regions(two: tuple[AdminWorld, AdminWorld], ministack: AwsWorld) -> None:
    eu, us = two
    shown = Regions(us).show()
    assert (shown["here"], shown["epoch"], shown["administration"], shown["first"]) == ("us", 2, "eu", "eu")
    assert [(one["region"], one["state"], one["since"], one["serves"]) for one in shown["regions"]] == [
        ("eu", "active", 0, ["eu"]),
        ("us", "active", 2, ["us"]),
    ]
    lost = changed(us, "eu", "lose", adopter="us", why="the region does not answer")
    assert (lost["epoch"], lost["administration"]) == (3, "us")
    assert [one["serves"] for one in lost["regions"]] == [[], ["eu", "us"]]
    changed(us, "eu", "restore")
    changed(us, "eu", "administer")
    signed = changed(eu, "eu", "sign", why="a new root")
    assert (signed["epoch"], signed["administration"]) == (6, "eu")
    told = [(one["action"], one["details"]["epoch"]) for one in entries(eu, "stack")]
    verbs = ["found", "add", "lose", "restore", "administer", "sign"]
    assert told == [(f"{verb}-region", epoch) for epoch, verb in reversed(list(enumerate(verbs, 1)))]
    # What functions read with their keys: every document, and each of them signed.
    contents = ministack.signing_keys.contents()
    roots = (ministack.root_key.public_key(),)
    epochs = sorted(open_regions(text, roots=roots, issuer=ISSUER).epoch for text in contents.documents)
    assert epochs == [1, 2, 3, 4, 5, 6, 6]
    ring = KeyRing(
        ministack.signing_keys, ministack.wrapping, frozenset(Purpose), Homes(region="us", issuer=ISSUER, roots=roots)
    )
    document = ring.region(1.0).document
    assert document is not None
    assert document.epoch == 6


def test_changes_belong_to_the_region_of_the_administration(two: tuple[AdminWorld, AdminWorld]) -> None:
    eu, us = two
    body: dict[str, object] = {"why": "seen"}
    problem = refused(us, "POST", "/admin/apps/demo/not-before", body)
    assert (problem.status, problem.slug) == (409, "wrong-region")
    assert "in region eu" in str(problem)
    assert us.call("GET", "/admin/apps/demo")  # to read is for every region
    assert us.call("POST", "/admin/signing-keys/rotate", body)  # these are a region's own
    assert eu.call("POST", "/admin/apps/demo/not-before", body)
    assert (
        refused(us, "POST", "/admin/regions/us/restore", {"expected_epoch": 2, "why": "back"}).slug == "change-refused"
    )


def test_change_has_a_reason(two: tuple[AdminWorld, AdminWorld]) -> None:
    """One person declares a region lost: the audit says why. A blank is no reason."""
    eu, us = two
    for change in ("found", "add", "lose", "restore", "administer", "sign"):
        for reason in ({}, {"why": ""}, {"why": " \t\n"}):
            body: dict[str, object] = {"expected_epoch": 2, "url": US, "adopter": "eu", **reason}
            problem = refused(eu, "POST", f"/admin/regions/us/{change}", body)
            assert (problem.status, problem.slug) == (400, "malformed-request"), (change, reason)
    assert Regions(us).show()["epoch"] == 2
    assert us.call("POST", "/admin/regions/us/publish", {"expected_epoch": 2})["epoch"] == 2


def test_each_region_publishes_for_itself(two: tuple[AdminWorld, AdminWorld]) -> None:
    """What another region changed reaches its gates when it publishes; that changes nothing, and is no epoch."""
    eu, us = two
    before = Regions(us).show()
    assert changed(us, "us", "publish") == before
    assert [one["action"] for one in entries(us, "stack")] == ["add-region", "found-region"]
    with pytest.raises(AdminProblem, match="not region us") as caught:
        changed(eu, "us", "publish")
    assert (caught.value.status, caught.value.slug) == (422, "change-refused")


def test_region_that_cannot_publish_says_so(two: tuple[AdminWorld, AdminWorld]) -> None:
    class Nothing:
        def now(self) -> Published:
            return Published(None)

    us = replace(two[1], stack=replace(two[1].stack, publication=Nothing()))
    with pytest.raises(AdminProblem) as caught:
        changed(us, "us", "publish")
    assert (caught.value.status, caught.value.slug) == (503, "try-later")


def test_document_is_changed_by_who_has_seen_it(two: tuple[AdminWorld, AdminWorld]) -> None:
    """Of two operators at one moment, one is told to look again."""
    eu, _ = two
    seen = Regions(eu).show()
    Regions(eu).change("us", "lose", seen, adopter="eu", why="silent")
    with pytest.raises(AdminProblem) as caught:
        Regions(eu).change("us", "lose", seen, adopter="eu", why="silent")
    assert (caught.value.status, caught.value.slug) == (409, "conflict")


def test_what_cannot_be_is_refused_in_words(two: tuple[AdminWorld, AdminWorld]) -> None:
    for region, change, members in CANNOT_BE:
        with pytest.raises(AdminProblem) as caught:
            changed(two[0], region, change, **members)
        assert (caught.value.status, caught.value.slug) == (422, "change-refused"), (region, change)
    assert Regions(two[0]).show()["epoch"] == 2


def test_stack_of_one_region_is_not_asked(admin: AdminWorld, ministack: AwsWorld) -> None:
    alone = of_region(admin, ministack, "")
    assert Regions(alone).show() == {"here": "", "epoch": 0, "administration": "", "first": "", "regions": []}
    assert alone.call("POST", "/admin/apps/demo/not-before", {"why": "seen"})
    with pytest.raises(AdminProblem, match="region found"):
        changed(alone, "eu", "lose", adopter="us")
    changed(alone, "eu", "found", url=EU)
    with pytest.raises(AdminProblem, match="RegionName=eu"):
        changed(alone, "us", "add", url=US)
