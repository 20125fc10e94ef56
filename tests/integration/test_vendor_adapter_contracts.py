"""What the adapters around vendors promise, held against fakes, moto and ministack alike; and their races."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from attestation.challenge import OpenedChallenge
from attestation.reference_values import AndroidReferenceValues, HarmonyReferenceValues
from service.vendors.app_secrets import AppSecret, SecretKind
from service.vendors.play_requests import (
    FAILURES,
    KEPT,
    LONGEST_OPEN,
    OPEN,
    PROBING,
    Breaker,
    key_subject,
    open_seconds,
)
from service.vendors.status_lists import StoredStatusList, packed

from bonafide.operator.registration import Registration
from tests.service_stack.memory_stack import NOW, PACKAGE
from tests.service_stack.worlds import AwsWorld, World

DAY = 86_400
RACERS = 40
DIGEST = "ab" * 32


# --- apps -----------------------------------------------------------------------------------------------------------


def test_app_of_three_platforms_is_found_as_it_was_registered(world: World) -> None:
    """What ``bonafide app register`` writes is what the service reads."""
    world.register(
        Registration(
            app="shop",
            apple_app_ids=("ABCDE12345.org.example.shop",),
            android_packages=("org.example.shop", "org.example.shop.beta"),
            android_signing_digests=(DIGEST, "cd" * 32),
            android_verified_boot_keys=("ef" * 32,),
            harmony_bundle_names=("org.example.shop",),
            harmony_app_ids=("org.example.shop_BASE64=",),
            harmony_app_identifiers=("5765880207850000001",),
            harmony_signing_digests=(DIGEST,),
        )
    )
    found = world.apps.find("shop")
    assert found is not None
    assert found.reference_values.apple is not None
    assert found.reference_values.android == AndroidReferenceValues(
        packages=("org.example.shop", "org.example.shop.beta"),
        signing_digests=frozenset({bytes.fromhex(DIGEST), bytes.fromhex("cd" * 32)}),
        verified_boot_keys=frozenset({bytes.fromhex("ef" * 32)}),
    )
    assert found.reference_values.harmony == HarmonyReferenceValues(
        bundle_names=("org.example.shop",),
        app_ids=("org.example.shop_BASE64=",),
        app_identifiers=("5765880207850000001",),
        signing_digests=frozenset({bytes.fromhex(DIGEST)}),
    )


def test_app_of_one_platform_has_no_other(world: World) -> None:
    """Android alone: evidence of an iPhone is refused for want of reference values."""
    world.register(Registration(app="shop", android_packages=("org.example.shop",), android_signing_digests=(DIGEST,)))
    found = world.apps.find("shop")
    assert found is not None
    assert found.reference_values.apple is None
    assert found.reference_values.harmony is None


# --- endorsements ---------------------------------------------------------------------------------------------------


def a_list(revision: int, text: bytes = b'{"entries":{}}') -> StoredStatusList:
    return StoredStatusList(
        content=packed(text),
        entries=0,
        etag='"1"',
        fetched_at=int(NOW),
        fresh_until=int(NOW) + 60,
        revision=revision,
    )


def test_stored_list_comes_back_equal(world: World) -> None:
    """And there is none before."""
    assert world.status_lists.find() is None
    assert world.status_lists.replace(a_list(1))
    assert world.status_lists.find() == a_list(1)


def test_list_without_etag_is_stored(world: World) -> None:
    """Not every server sends one."""
    assert world.status_lists.replace(replace(a_list(1), etag=None))
    assert world.status_lists.find() == replace(a_list(1), etag=None)


@pytest.mark.parametrize("revision", [1, 3, 4])
def test_revision_that_is_not_the_next_changes_nothing(world: World, revision: int) -> None:
    """Another process was faster, or the row vanished: the stored list stays."""
    world.status_lists.replace(a_list(1))
    world.status_lists.replace(a_list(2))
    if revision == 3:
        assert world.status_lists.replace(a_list(3, b"newer"))
    else:
        assert not world.status_lists.replace(a_list(revision, b"rival"))
        assert world.status_lists.find() == a_list(2)


def test_update_of_a_row_that_vanished_makes_none(world: World) -> None:
    """A confirmation confirms something."""
    assert not world.status_lists.replace(a_list(2))
    assert world.status_lists.find() is None


def test_largest_list_fits(world: World) -> None:
    """DynamoDB's 400 KB are counted with names; ours leave room."""
    assert world.status_lists.replace(replace(a_list(1), content=bytes(380_000)))
    found = world.status_lists.find()
    assert found is not None
    assert len(found.content) == 380_000


# --- app secrets ----------------------------------------------------------------------------------------------------


def secret(app: str, name: str, **changes: object) -> AppSecret:
    made = AppSecret(app=app, name=name, kind=SecretKind.PLAY_RESPONSE_KEYS, wrapped=b"sealed", created_at=int(NOW))
    return replace(made, **changes)  # type: ignore[arg-type]


def test_secrets_are_found_by_app(world: World) -> None:
    """By name, and no other app's."""
    stored = [secret("demo", "b"), secret("demo", "a", kind=SecretKind.PLAY_SERVICE_ACCOUNT), secret("shop", "a")]
    for row in stored:
        world.app_secrets.put(row)
    assert world.app_secrets.of("demo") == (stored[1], stored[0])
    assert world.app_secrets.of("nobody") == ()


def test_secret_of_the_same_name_is_replaced(world: World) -> None:
    """A new service account takes the old one's place."""
    world.app_secrets.put(secret("demo", "a"))
    world.app_secrets.put(secret("demo", "a", wrapped=b"newer"))
    assert world.app_secrets.of("demo") == (secret("demo", "a", wrapped=b"newer"),)


def test_removed_secret_is_gone(world: World) -> None:
    """And a second removal says that there was none."""
    world.app_secrets.put(secret("demo", "a"))
    assert world.app_secrets.remove("demo", "a")
    assert not world.app_secrets.remove("demo", "a")
    assert world.app_secrets.of("demo") == ()


# --- Play requests --------------------------------------------------------------------------------------------------


def a_challenge(name: str = "one") -> OpenedChallenge:
    return OpenedChallenge(nonce=name, expires_at=NOW + 300, app_tag=bytes(10))


def test_challenge_buys_one_question(world: World) -> None:
    """Whatever comes of it; another challenge buys another."""
    assert world.play_requests.claim(a_challenge())
    assert not world.play_requests.claim(a_challenge())
    assert world.play_requests.claim(a_challenge("two"))


def test_share_of_a_key_is_no_share_of_a_package(world: World) -> None:
    """Counted apart, though in one table."""
    assert world.play_requests.admit(key_subject(PACKAGE), limit=1, now=NOW)
    assert not world.play_requests.admit(key_subject(PACKAGE), limit=1, now=NOW)
    assert world.play_requests.admit(PACKAGE, limit=1, now=NOW)


def test_requests_are_admitted_up_to_the_limit(world: World) -> None:
    """Per package and day; a higher limit (enrolments) goes on where a lower one (renewals) stops."""
    admitted = [world.play_requests.admit(PACKAGE, limit=2, now=NOW) for _ in range(3)]
    assert admitted == [True, True, False]
    assert world.play_requests.admit(PACKAGE, limit=3, now=NOW)
    assert not world.play_requests.admit(PACKAGE, limit=3, now=NOW)
    assert world.play_requests.admit("org.example.other", limit=1, now=NOW)
    assert world.play_requests.admit(PACKAGE, limit=1, now=NOW + DAY)


@pytest.mark.parametrize("limit", [0, -5000])
def test_limit_of_nothing_admits_nothing(world: World, limit: int) -> None:
    """A reserve larger than the quota."""
    assert not world.play_requests.admit(PACKAGE, limit=limit, now=NOW)


def test_day_begins_at_midnight_pacific(world: World) -> None:
    """08:00 UTC, where Google's day begins (without daylight saving)."""
    midnight = NOW - NOW % DAY + 8 * 3600
    assert world.play_requests.admit(PACKAGE, limit=1, now=midnight - 1)
    assert not world.play_requests.admit(PACKAGE, limit=1, now=midnight - 1)
    assert world.play_requests.admit(PACKAGE, limit=1, now=midnight)


def test_pause_stops_requests_until_its_end(world: World) -> None:
    """Of that package; the counter stays as it was."""
    assert world.play_requests.admit(PACKAGE, limit=2, now=NOW)
    world.play_requests.pause(PACKAGE, until=NOW + 60, now=NOW)
    assert not world.play_requests.admit(PACKAGE, limit=9, now=NOW + 59)
    assert world.play_requests.admit("org.example.other", limit=1, now=NOW)
    assert world.play_requests.admit(PACKAGE, limit=2, now=NOW + 60)
    assert not world.play_requests.admit(PACKAGE, limit=2, now=NOW + 60)


def test_pause_lasts_to_its_end_and_not_to_the_second_before(world: World) -> None:
    """Who is asked to wait is not asked again within the last second of the wait."""
    world.play_requests.pause(PACKAGE, until=int(NOW) + 1.9, now=NOW)
    assert not world.play_requests.admit(PACKAGE, limit=9, now=int(NOW) + 1.5)
    assert world.play_requests.admit(PACKAGE, limit=9, now=int(NOW) + 2.0)


def test_pause_before_the_first_request_counts(world: World) -> None:
    """A row that has a pause and no counter yet."""
    world.play_requests.pause(PACKAGE, until=NOW + 60, now=NOW)
    assert not world.play_requests.admit(PACKAGE, limit=9, now=NOW)


def test_answer_is_kept_for_its_time(world: World) -> None:
    """By digest; after that it is as if it had never been, whatever TTL has deleted."""
    assert world.play_requests.answer(DIGEST, NOW) is None
    world.play_requests.keep(DIGEST, b"{}", NOW)
    assert world.play_requests.answer(DIGEST, NOW + KEPT - 1) == b"{}"
    assert world.play_requests.answer(DIGEST, NOW + KEPT) is None
    assert world.play_requests.answer("cd" * 32, NOW) is None


# --- Google fails ---------------------------------------------------------------------------------------------------


def opened(world: World, now: float = NOW) -> Breaker:
    """The breaker after as many failures as it takes."""
    for _ in range(FAILURES):
        assert world.play_requests.admit(PACKAGE, limit=99, now=now)
        world.play_requests.failed(PACKAGE, now=now, breaker=world.play_requests.breaker(PACKAGE, now))
    found = world.play_requests.breaker(PACKAGE, now)
    assert found is not None
    return found


def test_question_that_was_not_asked_is_given_back(world: World) -> None:
    """To its challenge; taken again it is taken."""
    assert world.play_requests.claim(a_challenge())
    world.play_requests.release(a_challenge())
    assert world.play_requests.claim(a_challenge())
    assert not world.play_requests.claim(a_challenge())
    world.play_requests.release(a_challenge("never claimed"))
    assert world.play_requests.claim(a_challenge("never claimed"))


def test_request_that_was_not_answered_is_not_counted(world: World) -> None:
    """And nothing goes below nothing."""
    world.play_requests.give_back(PACKAGE, NOW)
    assert world.play_requests.admit(PACKAGE, limit=1, now=NOW)
    world.play_requests.give_back(PACKAGE, NOW)
    world.play_requests.give_back(PACKAGE, NOW)
    assert [world.play_requests.admit(PACKAGE, limit=1, now=NOW) for _ in range(2)] == [True, False]


def test_breaker_opens_after_failures_in_a_row(world: World) -> None:
    """An answer in between begins the count anew; another package has its own."""
    for _ in range(FAILURES - 1):
        world.play_requests.failed(PACKAGE, now=NOW, breaker=None)
    assert world.play_requests.breaker(PACKAGE, NOW) == Breaker()
    world.play_requests.answered(PACKAGE, NOW)
    assert world.play_requests.breaker(PACKAGE, NOW) is None
    assert opened(world) == Breaker(int(NOW) + OPEN, 1)
    assert not world.play_requests.admit(PACKAGE, limit=99, now=NOW)
    assert world.play_requests.admit("org.example.other", limit=99, now=NOW)


def test_failures_of_those_under_way_do_not_open_it_further(world: World) -> None:
    """A hundred requests in flight when it opened say nothing new."""
    breaker = opened(world)
    for _ in range(10):
        world.play_requests.failed(PACKAGE, now=NOW + 1, breaker=None)
    assert world.play_requests.breaker(PACKAGE, NOW) == breaker


def test_one_finds_out_and_closes_it(world: World) -> None:
    """When it was open long enough; the others go on as before until the answer is in."""
    breaker, later = opened(world), NOW + OPEN
    assert not world.play_requests.admit(PACKAGE, limit=99, now=later - 1, breaker=breaker)
    assert not world.play_requests.admit(PACKAGE, limit=99, now=later)  # who has not seen it open finds nothing out
    assert world.play_requests.admit(PACKAGE, limit=99, now=later, breaker=breaker)
    assert not world.play_requests.admit(PACKAGE, limit=99, now=later, breaker=breaker)
    seen = world.play_requests.breaker(PACKAGE, later)
    assert seen == Breaker(int(later) + PROBING, 1)
    world.play_requests.answered(PACKAGE, later)
    assert world.play_requests.breaker(PACKAGE, later) is None
    assert world.play_requests.admit(PACKAGE, limit=99, now=later)


def test_one_who_found_out_that_it_lasts_opens_it_for_longer(world: World) -> None:
    """Twice as long each time."""
    breaker, now = opened(world), NOW
    for times in (1, 2, 3):
        now = float(breaker.until)
        assert world.play_requests.admit(PACKAGE, limit=99, now=now, breaker=breaker)
        world.play_requests.failed(PACKAGE, now=now, breaker=breaker)
        found = world.play_requests.breaker(PACKAGE, now)
        assert found == Breaker(int(now) + OPEN * 2**times, times + 1)
        assert found is not None
        breaker = found
    assert open_seconds(99) == LONGEST_OPEN


def test_one_who_finds_out_and_dies_leaves_it_to_the_next(world: World) -> None:
    """Its process was killed: after a while another one may."""
    breaker = opened(world)
    assert world.play_requests.admit(PACKAGE, limit=99, now=NOW + OPEN, breaker=breaker)
    seen = world.play_requests.breaker(PACKAGE, NOW)
    assert world.play_requests.admit(PACKAGE, limit=99, now=NOW + OPEN + PROBING, breaker=seen)


# --- races ----------------------------------------------------------------------------------------------------------


@pytest.mark.ministack
def test_racing_requests_never_exceed_the_quota(ministack: AwsWorld) -> None:
    """Forty processes ask at once for the last seven: seven are admitted."""
    line = threading.Barrier(RACERS)

    def racer(_number: int) -> bool:
        line.wait(timeout=60)
        return ministack.play_requests.admit(PACKAGE, limit=7, now=NOW)

    with ThreadPoolExecutor(RACERS) as pool:
        assert Counter(pool.map(racer, range(RACERS))) == {True: 7, False: RACERS - 7}


@pytest.mark.ministack
def test_of_racing_requests_one_finds_out_whether_google_answers(ministack: AwsWorld) -> None:
    """Forty processes see at once that the breaker was open long enough: one of them asks."""
    breaker, line = opened(ministack), threading.Barrier(RACERS)

    def racer(_number: int) -> bool:
        line.wait(timeout=60)
        return ministack.play_requests.admit(PACKAGE, limit=99, now=NOW + OPEN, breaker=breaker)

    with ThreadPoolExecutor(RACERS) as pool:
        assert Counter(pool.map(racer, range(RACERS))) == {True: 1, False: RACERS - 1}


@pytest.mark.ministack
def test_racing_questions_for_one_challenge_are_one(ministack: AwsWorld) -> None:
    """The attack: the same challenge through forty connections at once."""
    line = threading.Barrier(RACERS)

    def racer(_number: int) -> bool:
        line.wait(timeout=60)
        return ministack.play_requests.claim(a_challenge())

    with ThreadPoolExecutor(RACERS) as pool:
        assert Counter(pool.map(racer, range(RACERS))) == {True: 1, False: RACERS - 1}


@pytest.mark.ministack
def test_racing_refreshes_store_exactly_one(ministack: AwsWorld) -> None:
    """Two schedules, a deployment and an operator at the same moment: one list wins, whole."""
    ministack.status_lists.replace(a_list(1))
    line = threading.Barrier(RACERS)

    def racer(number: int) -> bytes | None:
        candidate = a_list(2, f'{{"entries":{{"{number + 1:x}":{{"status":"REVOKED"}}}}}}'.encode())
        line.wait(timeout=60)
        return candidate.content if ministack.status_lists.replace(candidate) else None

    with ThreadPoolExecutor(RACERS) as pool:
        winners = [content for content in pool.map(racer, range(RACERS)) if content is not None]
    found = ministack.status_lists.find()
    assert found is not None
    assert (winners, found.revision) == ([found.content], 2)
