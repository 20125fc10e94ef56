"""Refreshing the status list: what is taken, what is kept, and how old each answer makes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from attestation.android.revocation import MAX_STATUS_LIST_BYTES
from service.errors import Unavailable
from service.vendors.outbound import Answer, Unreachable
from service.vendors.status_feed import SHRINKAGE_FROM, Outcome, Refresh, refresh_status_list
from service.vendors.status_lists import MAX_STORED_BYTES, StoredStatusList, packed, unpacked

from tests.service_stack.memory_stack import NOW, Drawn
from tests.service_stack.vendor_fakes import MemoryStatusLists

LIMIT = 86_400.0
JSON = {"content-type": "application/json; charset=utf-8"}


def a_list(count: int = 2, first: int = 1) -> bytes:
    return json.dumps({"entries": {f"{n:x}": {"status": "REVOKED"} for n in range(first, first + count)}}).encode()


@dataclass
class Google:
    """Answers one thing, or raises it, and remembers with which etag it was asked."""

    says: Answer | Exception = field(default_factory=lambda: Answer(200, JSON, a_list()))
    asked: list[str | None] = field(default_factory=list)

    def __call__(self, *, etag: str | None) -> Answer:
        self.asked.append(etag)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


def answered(body: bytes = b"", status: int = 200, **headers: str) -> Google:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Google(Answer(status, JSON | named, body or a_list()))


def refreshed(table: MemoryStatusLists, google: Google, now: float = NOW, **more: bool) -> Refresh:
    return refresh_status_list(table, google, max_age=LIMIT, now=now, **more)


@pytest.fixture
def table() -> MemoryStatusLists:
    return MemoryStatusLists()


@pytest.fixture
def good(table: MemoryStatusLists) -> StoredStatusList:
    """A list with an etag, fetched an hour ago."""
    assert refreshed(table, answered(etag='"1"'), NOW - 3600).outcome is Outcome.REPLACED
    assert table.row is not None
    return table.row


def test_first_list_is_stored_as_it_was_served(table: MemoryStatusLists) -> None:
    """Compressed, counted, dated; its bytes are Google's."""
    done = refreshed(table, answered(etag='"abc"', cache_control="public, max-age=3600"))
    assert (done.outcome, done.entries, done.age) == (Outcome.REPLACED, 2, 0.0)
    row = table.row
    assert row is not None
    assert unpacked(row.content) == a_list()
    assert (row.entries, row.etag, row.fetched_at, row.fresh_until, row.revision) == (2, '"abc"', NOW, NOW + 3600, 1)


def test_changed_list_takes_the_old_ones_place(table: MemoryStatusLists, good: StoredStatusList) -> None:
    """Asked with the etag that we have; the whole row is replaced."""
    google = answered(a_list(3), etag='"2"')
    assert refreshed(table, google).outcome is Outcome.REPLACED
    assert google.asked == ['"1"']
    assert table.row is not None
    assert (table.row.entries, table.row.etag, table.row.revision) == (3, '"2"', good.revision + 1)


def test_unchanged_list_is_confirmed(table: MemoryStatusLists, good: StoredStatusList) -> None:
    """304: the list is as young as this answer, its bytes stay."""
    done = refreshed(table, Google(Answer(304, {}, b"")))
    assert (done.outcome, done.age) == (Outcome.CONFIRMED, 0.0)
    assert table.row is not None
    assert (table.row.content, table.row.etag, table.row.fetched_at) == (good.content, '"1"', NOW)


def test_vendor_is_not_asked_before_its_time(table: MemoryStatusLists) -> None:
    """Cache-Control is honoured; force asks at once, and for the whole list."""
    refreshed(table, answered(etag='"1"', cache_control="max-age=3600"))
    google = answered()
    assert refreshed(table, google, NOW + 3599).outcome is Outcome.FRESH
    assert google.asked == []
    assert refreshed(table, google, NOW + 10, force=True).outcome is Outcome.CONFIRMED
    assert google.asked == [None]


@pytest.mark.parametrize(
    ("headers", "fetched", "fresh"),
    [
        ({}, 0, 0),
        ({"cache_control": "max-age=600"}, 0, 600),
        ({"cache_control": 'public, MAX-AGE = "600"'}, 0, 600),
        ({"cache_control": "max-age=600", "age": "100"}, -100, 500),
        ({"cache_control": "max-age=600", "age": "900"}, -900, 0),
        ({"cache_control": "no-cache, max-age=600"}, 0, 0),
        ({"cache_control": "no-store"}, 0, 0),
        ({"cache_control": "max-age=31536000"}, 0, LIMIT / 4),
        ({"cache_control": "max-age=-5"}, 0, 0),
        ({"cache_control": "max-age=9999999999999"}, 0, 0),
        ({"cache_control": "max-age=abc,,="}, 0, 0),
        ({"age": "-100"}, 0, 0),
        ({"age": "a lot"}, 0, 0),
        ({"age": "١٠٠"}, 0, 0),
    ],
)
def test_dates_follow_age_and_cache_control(
    table: MemoryStatusLists, headers: dict[str, Any], fetched: int, fresh: float
) -> None:
    """A cache between us makes a list older; a header can neither make it younger nor blind us for long."""
    refreshed(table, answered(**headers))
    assert table.row is not None
    assert (table.row.fetched_at - NOW, table.row.fresh_until - NOW) == (fetched, fresh)


def test_answer_older_than_what_we_have_is_not_taken(table: MemoryStatusLists, good: StoredStatusList) -> None:
    """Another edge of a cache serves yesterday's list: it would un-revoke what was revoked since."""
    done = refreshed(table, answered(a_list(9), age="7200"))
    assert (done.outcome, done.detail) == (Outcome.KEPT, "a cache answered with an older list than the one at hand")
    assert table.row == good


BAD: Mapping[str, Google] = {
    "down": Google(Unreachable("connection failed (ConnectionRefusedError)")),
    "slow": Google(Unreachable("no whole answer within 15 s")),
    "error": answered(status=500),
    "gone": answered(status=404),
    "partial": answered(status=206),
    "no content": Google(Answer(204, JSON, b"")),
    "redirect": answered(status=302, location="https://android.googleapis.com/elsewhere"),
    "permanent redirect": answered(status=308, location="http://mirror.example/"),
    "captive portal": Google(Answer(200, {"content-type": "text/html"}, b"<html>please log in</html>")),
    "no type": Google(Answer(200, {}, a_list())),
    "empty": Google(Answer(200, JSON, b"")),
    "no JSON": answered(b"{"),
    "truncated": answered(a_list()[:-1]),
    "no object": answered(b"[]"),
    "no entries": answered(b"{}"),
    "entries as a list": answered(b'{"entries":[]}'),
    "no serials": answered(b'{"entries":{"who":{"status":"REVOKED"},"knows":{"status":"REVOKED"}}}'),
    "NaN": answered(b'{"entries":{"ab":{"status":NaN}}}'),
    "huge": Google(Answer(200, JSON, b'{"entries":{}}' + b" " * MAX_STATUS_LIST_BYTES)),
}


@pytest.mark.parametrize("trouble", BAD)
def test_unusable_answer_keeps_the_last_good_list(
    table: MemoryStatusLists, good: StoredStatusList, trouble: str
) -> None:
    """Whatever is wrong: the row stays bit for bit, its age is told, and why."""
    done = refreshed(table, BAD[trouble])
    assert (done.outcome, done.age, done.entries) == (Outcome.KEPT, 3600.0, 2)
    assert done.detail
    assert table.row == good


@pytest.mark.parametrize(
    "entries",
    [
        b'"ab":{"status":"REVOKED"},"ab":{"status":"REVOKED"},"cd":{"status":"REVOKED"}',
        b'"AB":{"status":"REVOKED"},"0cd":{"status":"REVOKED"}',
        b'"ab":{},"cd":null',
    ],
    ids=["repeated", "spelled otherwise", "without a status"],
)
def test_list_with_small_sins_is_taken(table: MemoryStatusLists, good: StoredStatusList, entries: bytes) -> None:
    """Public copies of Google's list repeat serials: refused, the last good list would grow too old for enrolments."""
    done = refreshed(table, answered(b'{"entries":{' + entries + b"}}"))
    assert (done.outcome, done.age, done.entries, done.detail) == (Outcome.REPLACED, 0.0, 2, "")
    assert table.row != good


def test_entry_that_names_no_serial_is_told_to_the_operator(table: MemoryStatusLists) -> None:
    """The rest of the list is used, and the log names what was left out."""
    done = refreshed(table, answered(b'{"entries":{"ab":{"status":"REVOKED"},"keybox 7":{"status":"REVOKED"}}}'))
    assert (done.outcome, done.entries) == (Outcome.REPLACED, 2)
    assert done.detail == "taken, though 1 of its entries are not named by a serial number"


@pytest.mark.parametrize("trouble", BAD)
def test_unusable_first_answer_stores_nothing(table: MemoryStatusLists, trouble: str) -> None:
    """No list is better than half of one: nothing Android passes until a good one comes."""
    done = refreshed(table, BAD[trouble])
    assert (done.outcome, done.age, done.entries) == (Outcome.KEPT, None, None)
    assert table.row is None


def test_confirmation_of_nothing_is_unusable(table: MemoryStatusLists) -> None:
    """304 to a question without an etag confirms no list."""
    assert refreshed(table, Google(Answer(304, {}, b""))).outcome is Outcome.KEPT


def test_unrequested_confirmation_keeps_no_old_list_young(table: MemoryStatusLists, good: StoredStatusList) -> None:
    """The attack: 304 to every question, and a leaked keybox stays unlisted. An operator who forces a refresh asked for
    the whole list, and hears that none came; so it is with a list that has no etag to ask with."""
    assert refreshed(table, Google(Answer(304, {}, b"")), force=True).outcome is Outcome.KEPT
    assert table.row == good
    table.row = replace(good, etag=None)
    assert refreshed(table, Google(Answer(304, {}, b""))).outcome is Outcome.KEPT
    assert table.row == replace(good, etag=None)


def test_redirect_is_named_with_what_to_do(table: MemoryStatusLists) -> None:
    """Not followed, not even to the same host: the address is a setting."""
    assert "AndroidStatusListUrl" in refreshed(table, BAD["redirect"]).detail


def test_list_that_shrank_by_more_than_half_is_not_believed(table: MemoryStatusLists) -> None:
    """An empty list is what a half-working server sends, and it would un-revoke everything."""
    refreshed(table, answered(a_list(SHRINKAGE_FROM)))
    good = table.row
    done = refreshed(table, answered(a_list(SHRINKAGE_FROM // 2 - 1)))
    assert (done.outcome, table.row) == (Outcome.KEPT, good)
    assert "shrank from 100 to 49" in done.detail
    assert refreshed(table, answered(a_list(SHRINKAGE_FROM // 2))).outcome is Outcome.REPLACED


def test_shrunken_list_is_taken_when_an_operator_says_so(table: MemoryStatusLists) -> None:
    """Google may have cleaned up."""
    refreshed(table, answered(a_list(SHRINKAGE_FROM)))
    assert refreshed(table, answered(a_list(0)), accept_shrunken=True).outcome is Outcome.REPLACED
    assert table.row is not None
    assert table.row.entries == 0


def test_list_that_outgrows_a_row_is_refused_clearly(table: MemoryStatusLists, good: StoredStatusList) -> None:
    """DynamoDB would refuse it in the middle of a refresh; here the sentence says what is wrong."""
    serials = Drawn("serials")
    entries = {f"5{serials(16).hex()}": {"status": "REVOKED"} for _ in range(25_000)}
    body = json.dumps({"entries": entries}).encode()
    assert len(packed(body)) > MAX_STORED_BYTES
    done = refreshed(table, answered(body))
    assert (done.outcome, table.row) == (Outcome.KEPT, good)
    assert "more than a table row holds" in done.detail


def test_large_list_fits_a_row(table: MemoryStatusLists) -> None:
    """Ten thousand serials of full length, forty times today's list."""
    serials = Drawn("serials")
    entries = {f"5{serials(16).hex()}": {"status": "REVOKED", "reason": "KEY_COMPROMISE"} for _ in range(10_000)}
    assert refreshed(table, answered(json.dumps({"entries": entries}).encode())).outcome is Outcome.REPLACED


def test_odd_etag_is_not_kept(table: MemoryStatusLists) -> None:
    """What we send back later must be a header of ours."""
    refreshed(table, answered(etag="no quotes"))
    assert table.row is not None
    assert table.row.etag is None


def test_slower_of_two_refreshes_changes_nothing(table: MemoryStatusLists, good: StoredStatusList) -> None:
    """Two run at once: the first write wins, the other hears what stands now."""

    class Rival(Google):
        def __call__(self, *, etag: str | None) -> Answer:
            self.asked.append(etag)
            refreshed(table, answered(a_list(5)))
            return Answer(200, JSON, a_list(4))

    done = refreshed(table, Rival())
    assert (done.outcome, done.entries) == (Outcome.OVERTAKEN, 5)
    assert table.row is not None
    assert (table.row.entries, table.row.revision) == (5, good.revision + 1)


def test_table_that_is_down_is_no_outcome(table: MemoryStatusLists) -> None:
    """Our own trouble is an error of the function, which is tried again."""
    table.down = True
    with pytest.raises(Unavailable):
        refreshed(table, answered())
