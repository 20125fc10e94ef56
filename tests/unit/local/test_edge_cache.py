"""The local front's cache against what CloudFront documents: how long, for whom, and what when the origin fails."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest

from devkit.edge.cache import Answer, Cache, directives, time_to_live
from devkit.edge.distribution import CachePolicy

HEADS = CachePolicy(0, 1, 604_800)


class Origin:
    """An origin, and a clock. ``says`` is its next answer."""

    def __init__(self, cache_control: str = "", etag: str = '"1"') -> None:
        self.now = 1000.0
        self.says = answer(200, cache_control, etag)
        self.etags: list[str | None] = []
        self.cache = Cache(lambda: self.now)

    def ask(self, etag: str | None) -> Answer:
        self.etags.append(etag)
        if etag is not None and self.says.status == 200 and self.says.headers.get("etag") == etag:
            return Answer(304, {"cache-control": self.says.headers["cache-control"]}, b"")
        return self.says

    def get(self, key: str = "/", policy: CachePolicy = HEADS) -> tuple[int, str]:
        got, seen = self.cache.get(key, policy, self.ask)
        return got.status, seen.split()[0]


def answer(status: int, cache_control: str = "", etag: str = '"1"') -> Answer:
    headers = {"etag": etag} | ({"cache-control": cache_control} if cache_control else {})
    return Answer(status, headers, f"{status} {etag}".encode())


@pytest.mark.parametrize(
    ("headers", "policy", "seconds"),
    [
        ({}, CachePolicy(0, 86_400, 31_536_000), 86_400),
        ({}, CachePolicy(60, 1, 100), 60),
        ({"cache-control": "max-age=10"}, HEADS, 10),
        ({"cache-control": "public, max-age=10, s-maxage=3"}, HEADS, 3),
        ({"cache-control": "max-age=10"}, CachePolicy(60, 60, 100), 60),
        ({"cache-control": "max-age=1000"}, CachePolicy(0, 60, 100), 100),
        ({"cache-control": "max-age=nonsense"}, HEADS, 0),
        ({"cache-control": "no-store"}, HEADS, 0),
        ({"cache-control": "private, max-age=600"}, HEADS, 0),
        ({"cache-control": "no-cache"}, CachePolicy(5, 60, 100), 5),
        ({"date": "Fri, 27 Nov 2026 10:00:00 GMT", "expires": "Fri, 27 Nov 2026 10:01:00 GMT"}, HEADS, 60),
        ({"date": "Fri, 27 Nov 2026 10:00:00 GMT", "expires": "0"}, CachePolicy(0, 7, 100), 7),
        ({"cache-control": "max-age=3600"}, CachePolicy(), 0),
    ],
)
def test_time_to_live(headers: Mapping[str, str], policy: CachePolicy, seconds: float) -> None:
    """Minimum, default and maximum over what the origin says; what it forbids is kept for the minimum alone."""
    assert time_to_live(policy, Answer(200, headers, b"")) == seconds


def test_fresh_object_is_served_with_its_age() -> None:
    origin = Origin("max-age=10")
    assert origin.get() == (200, "Miss")
    origin.now += 4
    got, seen = origin.cache.get("/", HEADS, origin.ask)
    assert (got.headers["age"], seen, len(origin.etags)) == ("4", "Hit from cloudfront", 1)


def test_old_object_is_revalidated() -> None:
    """A 304 renews it without a body."""
    origin = Origin("max-age=1")
    origin.get()
    origin.now += 1
    assert origin.get() == (200, "RefreshHit")
    assert origin.etags == [None, '"1"']
    assert origin.get() == (200, "Hit")
    origin.now += 1
    origin.says = answer(200, "max-age=1", '"2"')
    got, seen = origin.cache.get("/", HEADS, origin.ask)
    assert (got.headers["etag"], seen) == ('"2"', "Miss from cloudfront")


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_stale_object_is_served_while_the_origin_fails(status: int) -> None:
    """For as long as stale-if-error says, after the object was fresh."""
    origin = Origin("max-age=1, stale-if-error=3600")
    origin.get()
    origin.says = answer(status)
    origin.now += 3600
    assert origin.get() == (200, "Hit")
    origin.now += 1
    assert origin.get() == (status, "Error")


def test_maximum_bounds_stale_objects() -> None:
    policy = CachePolicy(0, 1, 60)
    origin = Origin("max-age=1, stale-if-error=3600")
    origin.get(policy=policy)
    origin.says = answer(503)
    origin.now += 60
    assert origin.get(policy=policy)[0] == 200
    origin.now += 1.5
    assert origin.get(policy=policy)[0] == 503


def test_recovered_origin_is_heard_at_once() -> None:
    origin = Origin("max-age=1, stale-if-error=3600")
    origin.get()
    origin.says = answer(503)
    origin.now += 10
    origin.get()
    origin.says = answer(200, "max-age=1", '"2"')
    assert origin.get() == (200, "Miss")


def test_object_without_a_word_of_staleness_is_not_served_stale() -> None:
    origin = Origin("max-age=1")
    origin.get()
    origin.says = answer(503)
    origin.now += 2
    assert origin.get() == (503, "Error")


def test_not_found_is_no_reason_for_a_stale_object() -> None:
    """It was taken away: an error of the request, not of the origin."""
    origin = Origin("max-age=1, stale-if-error=3600")
    origin.get()
    origin.says = answer(404)
    origin.now += 2
    assert origin.get() == (404, "Error")


def test_errors_are_not_kept() -> None:
    """ErrorCachingMinTTL is 0 throughout the template."""
    origin = Origin()
    for status in (404, 500, 503):
        origin.says = answer(status, "max-age=600")
        origin.get()
    assert len(origin.etags) == 3


def test_keys_are_apart() -> None:
    origin = Origin("max-age=10")
    origin.get("/a")
    origin.get("/b")
    assert len(origin.etags) == 2


def test_stale_while_revalidate_answers_at_once_and_asks_beside() -> None:
    origin = Origin("max-age=1, stale-while-revalidate=60")
    origin.get()
    origin.says = answer(200, "max-age=1", '"2"')
    origin.now += 2
    assert origin.get() == (200, "Hit")
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon and "_ask" in thread.name:
            thread.join(5)
    got, _ = origin.cache.get("/", HEADS, origin.ask)
    assert got.headers["etag"] == '"2"'


def test_simultaneous_misses_make_one_request() -> None:
    """A flood of a document that is not there yet is one request to the origin."""
    origin = Origin("max-age=10")
    began, go = threading.Event(), threading.Event()

    def slow(etag: str | None) -> Answer:
        began.set()
        go.wait(10)
        return origin.ask(etag)

    got: list[tuple[Answer, str]] = []
    callers = [threading.Thread(target=lambda: got.append(origin.cache.get("/", HEADS, slow))) for _ in range(8)]
    callers[0].start()
    assert began.wait(10)
    for caller in callers[1:]:
        caller.start()
    go.set()
    for caller in callers:
        caller.join(10)
    assert len(origin.etags) == 1
    assert sorted(seen.split()[0] for _, seen in got) == ["Hit"] * 7 + ["Miss"]


def test_directives_are_read_in_any_case() -> None:
    assert directives('Public, MAX-AGE=1, x="y"') == {"public": "", "max-age": "1", "x": "y"}
    assert directives("") == {}
