"""A paced publication: what it names is refused at once, the rest each at its own moment, and nothing is revived."""

from __future__ import annotations

import random
from collections import Counter
from hashlib import sha256
from typing import Any

import pytest
from bonafide_tokens.errors import Reason, Rejected
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.pacing.new_pacing import MAX_KEYS, Pacing, paced_to_json, prefixes_of, still_paced
from bonafide_tokens.pacing.paced import Paced, cohort, key_prefix, read_paced, refused_from
from bonafide_tokens.signing import es256_sign
from bonafide_tokens.token import VerifiedToken
from bonafide_tokens.trust_bundle import MAX_TRUST_BUNDLE_CHARACTERS, AppStatus, open_trust_bundle
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.gate.stand import (
    APP,
    ISSUER,
    KEY_ID,
    NOW,
    Call,
    Stand,
    assembled,
    bundle,
    effect,
    parts,
    private_key,
    public_key,
    signed,
)

START = int(NOW)
ANDROID = {"platform": ["android"], "app_build_below": 120}


def key_id_of(number: int) -> str:
    return b64url_encode(sha256(number.to_bytes(8)).digest())


def token(**changes: Any) -> VerifiedToken:
    usual = VerifiedToken(
        app=APP,
        key_id=KEY_ID,
        platform="ios",
        tier="affirming",
        app_build="130",
        policy_version=7,
        jti="jti",
        issued_at=START - 60,
        expires_at=START + 240,
        request_key_thumbprint="thumbprint",
    )
    return usual._replace(**changes)


def paced(start: int = START, after: int = 0, seconds: int = 240, **changes: Any) -> Paced:
    return Paced(start, after, seconds, (ANDROID,))._replace(**changes)


def is_refused(status: AppStatus, presented: VerifiedToken, now: float) -> bool:
    try:
        status.require(presented, now=now)
    except Rejected as refusal:
        return refusal.reason is Reason.TOKEN_SUPERSEDED
    return False


def test_token_of_a_key_is_refused_from_its_moment_on() -> None:
    """Not before, and not only at the end of the grace."""
    status, moment = AppStatus(START, paced=(paced(),)), refused_from(KEY_ID, START, 240)
    assert START < moment < START + 240
    assert not is_refused(status, token(), START)
    assert not is_refused(status, token(), moment - 0.001)
    assert is_refused(status, token(), moment)
    assert is_refused(status, token(), START + 240)


@pytest.mark.parametrize("issued_at", [START, START + 1])
def test_new_token_counts_whatever_a_publication_says(issued_at: int) -> None:
    """One of the very second of the not-before is new, also when its device matches."""
    status = AppStatus(START, paced=(paced(keys=prefixes_of([KEY_ID])),))
    assert not is_refused(status, token(issued_at=issued_at, platform="android", app_build="1"), START + 500)


@pytest.mark.parametrize(
    ("predicate", "matching", "other"),
    [
        ({"platform": ["android", "harmony"]}, [{"platform": "android"}, {"platform": "harmony"}], [{}]),
        ({"tier": ["warning"]}, [{"tier": "warning"}], [{}]),
        ({"app_build": ["129", "1.2 β"]}, [{"app_build": "129"}, {"app_build": "1.2 β"}, {"app_build": None}], [{}]),
        (
            {"app_build_below": 130},
            [{"app_build": text} for text in ("129", "0", None, "1.2", "-130", "131 ", "١٣١", "²", "1e9", "0x99")],
            [{}, {"app_build": "0130"}, {"app_build": "9" * 64}],
        ),
        ({"policy_version_below": 7}, [{"policy_version": 6}], [{}, {"policy_version": 8}]),
        ({"issued_before": START - 60}, [{"issued_at": START - 61}], [{}]),
        (ANDROID, [{"platform": "android", "app_build": "119"}], [{"platform": "android"}, {"app_build": "119"}]),
    ],
)
def test_predicate_matches_what_a_token_says(
    predicate: dict[str, Any], matching: list[dict[str, Any]], other: list[dict[str, Any]]
) -> None:
    """All members must hold; a build that is no whole number, or none at all, is below every other."""
    status = AppStatus(START, paced=(paced(at_once=(predicate,)),))
    for changes in matching:
        assert is_refused(status, token(**changes), START), changes
    for changes in other:
        assert not is_refused(status, token(**changes), START), changes


def test_one_of_several_predicates_is_enough() -> None:
    """They are alternatives."""
    status = AppStatus(START, paced=(paced(at_once=(ANDROID, {"tier": ["warning"]})),))
    assert is_refused(status, token(tier="warning"), START)
    assert is_refused(status, token(platform="android", app_build="1"), START)
    assert not is_refused(status, token(), START)


def test_named_key_is_refused_at_once() -> None:
    """And its neighbour is not."""
    status = AppStatus(START, paced=(paced(at_once=(), keys=prefixes_of([KEY_ID])),))
    assert is_refused(status, token(), START)
    assert not is_refused(status, token(key_id=key_id_of(1)), START)


def test_older_not_before_stays_strict() -> None:
    """Pacing never revives a token that was refused already."""
    status = AppStatus(START, paced=(paced(after=START - 30),))
    assert is_refused(status, token(issued_at=START - 31), START)
    assert not is_refused(status, token(issued_at=START - 30), START)


def test_publication_during_anothers_grace() -> None:
    """A token from before both must be let through by both."""
    first, second = paced(START - 50, 0, 3600, at_once=({"tier": ["warning"]},)), paced(START, START - 50, 3600)
    status = AppStatus(START, paced=(second, first))
    assert not is_refused(status, token(), START)
    assert is_refused(status, token(tier="warning"), START), "the first one names it"
    assert is_refused(status, token(platform="android", app_build="1"), START), "the second one names it"
    between = token(issued_at=START - 50, tier="warning")
    assert not is_refused(status, between, START), "newer than the first one"
    assert is_refused(AppStatus(START, paced=(second,)), token(), START), "the first one is void, or over"
    assert not is_refused(AppStatus(START, paced=(second,)), between, START)


def test_all_at_once_ends_every_grace() -> None:
    """A rollback or a revocation that names nothing: its not-before has no entry."""
    assert is_refused(AppStatus(START + 1, paced=(paced(),)), token(), START)
    assert is_refused(AppStatus(START + 0.5, paced=(paced(),)), token(), START)


def test_blocked_key_is_refused_however_a_publication_is_paced() -> None:
    """And for its own reason."""
    status = AppStatus(START, frozenset({KEY_ID}), paced=(paced(),))
    with pytest.raises(Rejected) as refusal:
        status.require(token(), now=START)
    assert refusal.value.reason is Reason.KEY_BLOCKED


ENTRY = paced_to_json(paced(keys=prefixes_of([KEY_ID, key_id_of(2)])))
assert isinstance(ENTRY["keys"], str)


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        "paced",
        {},
        {**ENTRY, "model": ["x"]},
        {**ENTRY, "from": True},
        {**ENTRY, "from": float(START)},
        {**ENTRY, "from": 1 << 53},
        {**ENTRY, "from": str(START)},
        {**ENTRY, "from": None},
        {**ENTRY, "after": START},
        {**ENTRY, "after": -1},
        {**ENTRY, "after": None},
        {**ENTRY, "seconds": 0},
        {**ENTRY, "seconds": 3601},
        {**ENTRY, "seconds": 1.5},
        {**ENTRY, "at_once": {}},
        {**ENTRY, "at_once": [[]]},
        {**ENTRY, "at_once": [{}]},
        {**ENTRY, "at_once": [ANDROID, {}]},
        {**ENTRY, "at_once": [], "keys": ""},
        {**ENTRY, "at_once": [{"model": ["x"]}]},
        {**ENTRY, "at_once": [{**ANDROID, "key_age_below": 1}]},
        {**ENTRY, "at_once": [{"platform": "android"}]},
        {**ENTRY, "at_once": [{"platform": []}]},
        {**ENTRY, "at_once": [{"platform": [""]}]},
        {**ENTRY, "at_once": [{"platform": [1]}]},
        {**ENTRY, "at_once": [{"platform": {"ios": 1}}]},
        {**ENTRY, "at_once": [{"platform": ["ios", None]}]},
        {**ENTRY, "at_once": "platform"},
        {**ENTRY, "at_once": {"platform": ["ios"]}},
        {name: value for name, value in ENTRY.items() if name != "keys"},
        {name: value for name, value in ENTRY.items() if name != "at_once"},
        {**ENTRY, "at_once": [{"app_build_below": "120"}]},
        {**ENTRY, "at_once": [{"app_build_below": 120.0}]},
        {**ENTRY, "at_once": [{"app_build_below": True}]},
        {**ENTRY, "at_once": [{"policy_version_below": -1}]},
        {**ENTRY, "keys": None},
        {**ENTRY, "keys": ENTRY["keys"] + "="},
        {**ENTRY, "keys": ENTRY["keys"][:-2]},
        {**ENTRY, "keys": "é"},
    ],
)
def test_entry_that_cannot_be_read_is_void(entry: object) -> None:
    """All at once then; the entry beside it still counts."""
    assert len(read_paced([ENTRY])) == 1
    good = {**ENTRY, "from": START + 9, "after": START}
    assert [each.start for each in read_paced([entry, good])] == [START + 9]
    status = AppStatus(START, paced=read_paced([entry]))
    assert is_refused(status, token(key_id=key_id_of(3)), START)


@pytest.mark.parametrize(
    "listed", [None, {}, "x", [ENTRY, ENTRY], [{**ENTRY, "from": START + number} for number in range(5)]]
)
def test_list_that_cannot_be_read_is_void(listed: object) -> None:
    """Two that soften one not-before, or too many: all at once."""
    assert read_paced(listed) == ()


def test_void_entry_leaves_the_bundle_whole() -> None:
    """Blocked keys and the not-before hold all the same."""
    header, claims = parts(signed(bundle(apps={APP: AppStatus(START, frozenset({"k"}), paced=(paced(),))})))
    assert claims["apps"][APP]["tokens_not_before"] == START, "authorizers of older releases refuse all at once"
    entry = claims["apps"][APP]["paced"][0]
    assert entry == {"from": START, "after": 0, "seconds": 240, "at_once": [ANDROID], "keys": ""}
    for void in (None, "x", [{**entry, "more": 1}]):
        claims["apps"][APP]["paced"] = void
        text = assembled(header, claims, lambda signed: es256_sign(private_key("root"), signed))
        seen = open_trust_bundle(text, root_keys=[public_key("root")], issuer=ISSUER, now=NOW)
        assert seen.apps == {APP: AppStatus(START, frozenset({"k"}))}


def test_bundle_round_trips() -> None:
    """What was published is what a gate reads."""
    status = AppStatus(
        START, paced=(paced(after=START - 9, keys=prefixes_of(map(key_id_of, range(9)))), paced(START - 9))
    )
    text = signed(bundle(apps={APP: status}))
    assert open_trust_bundle(text, root_keys=[public_key("root")], issuer=ISSUER, now=NOW).apps == {APP: status}


def test_fifty_thousand_keys_fit() -> None:
    """And leave room for the routes of large APIs, or a few thousand blocked keys."""
    status = AppStatus(START, paced=(paced(keys=prefixes_of(map(key_id_of, range(MAX_KEYS)))),))
    text = signed(bundle(apps={APP: status}))
    assert len(text) < 0.72 * MAX_TRUST_BUNDLE_CHARACTERS
    seen = open_trust_bundle(text, root_keys=[public_key("root")], issuer=ISSUER, now=NOW).apps[APP]
    assert all(is_refused(seen, token(key_id=key_id_of(number)), START) for number in range(0, MAX_KEYS, 999))
    assert not any(is_refused(seen, token(key_id=key_id_of(MAX_KEYS + number)), START) for number in range(40))


def test_cohorts_are_spread_evenly_and_anew() -> None:
    """Each tenth of the grace has a tenth of the keys; another publication has another order."""
    keys = [key_id_of(number) for number in range(20_000)]
    tenths = Counter(int(cohort(key, START) * 10) for key in keys)
    assert set(tenths) == set(range(10))
    assert all(abs(count - 2_000) < 250 for count in tenths.values()), tenths
    again = Counter(int(cohort(key, START + 1) * 10) for key in keys if cohort(key, START) < 0.1)
    assert set(again) == set(range(10))
    assert all(count > 120 for count in again.values()), again
    assert all(0 <= cohort(key, START) < 1 for key in keys)


def test_cohort_is_the_one_that_other_languages_compute() -> None:
    """The first 53 bits of SHA-256 of key_id and from, as a fraction."""
    digest = sha256(KEY_ID.encode() + START.to_bytes(8, "big")).digest()
    assert cohort(KEY_ID, START) == int.from_bytes(digest[:7], "big") // 8 / 2**53
    assert key_prefix(KEY_ID) == int.from_bytes(sha256(KEY_ID.encode()).digest()[:8], "big")


def test_keys_of_operators() -> None:
    """One twice counts once; what is no key_id is named, and so are too many."""
    assert prefixes_of([KEY_ID, KEY_ID]) == {key_prefix(KEY_ID)}
    for wrong in ("", "short", KEY_ID + "A", KEY_ID[:-1] + "+", KEY_ID + "\n"):
        with pytest.raises(ValueError, match="key 2 is no key_id"):
            prefixes_of([KEY_ID, wrong])
    with pytest.raises(ValueError, match="more than 50,000 keys"):
        prefixes_of(map(key_id_of, range(MAX_KEYS + 1)))
    with pytest.raises(ValueError, match="grace"):
        Pacing(0, (ANDROID,)).checked()
    with pytest.raises(ValueError, match="predicates, or up to"):
        Pacing(60).checked()


def test_entries_whose_grace_is_over_are_not_carried_on() -> None:
    """Nor those before them, which let nothing through any more."""
    first, second = paced(START - 50, START - 90, 3600), paced(START, START - 50, 60)
    assert still_paced((first, second), START, START + 59) == (second, first)
    assert still_paced((first, second), START, START + 60) == ()
    assert still_paced((first,), START, START) == ()
    assert still_paced((first, second), START + 1, START) == ()


PREDICATES = st.one_of(
    st.fixed_dictionaries({"platform": st.sampled_from([["ios"], ["android"], ["ios", "android"]])}),
    st.fixed_dictionaries({"app_build_below": st.integers(0, 200)}),
    st.fixed_dictionaries({"issued_before": st.integers(START - 300, START)}),
)
MOMENTS = st.lists(st.integers(START - 200, START), min_size=1, max_size=6, unique=True).map(sorted)


@given(
    moments=MOMENTS,
    entries=st.lists(
        st.tuples(st.integers(1, 300), st.lists(PREDICATES, max_size=2), st.booleans()), min_size=6, max_size=6
    ),
    key=st.integers(0, 999),
    issued_at=st.integers(START - 300, START + 1),
    build=st.sampled_from(["1", "120", "x", None]),
    seed=st.integers(0, 1 << 30),
)
def test_once_refused_stays_refused_and_older_gates_refuse_more(
    moments: list[int],
    entries: list[tuple[int, list[dict[str, Any]], bool]],
    key: int,
    issued_at: int,
    build: str | None,
    seed: int,
) -> None:
    """Over time, and over publications in any number, paced or not."""
    presented = token(key_id=key_id_of(key), issued_at=issued_at, app_build=build, expires_at=START + 1000)
    statuses: list[tuple[int, AppStatus]] = []
    carried: tuple[Paced, ...] = ()
    before = 0
    for moment, (seconds, predicates, is_paced) in zip(moments, entries, strict=False):
        if is_paced:
            carried = (Paced(moment, before, seconds, tuple(predicates) or (ANDROID,)), *carried)[:4]
        carried = still_paced(carried, moment, moment)
        before = moment
        statuses.append((moment, AppStatus(moment, paced=carried)))
    order, refused = random.Random(seed), False
    for at in sorted(order.uniform(START - 300, START + 400) for _ in range(12)):
        known = [status for moment, status in statuses if moment <= at]
        status = known[-1] if known else AppStatus()
        refuses = is_refused(status, presented, at)
        assert refuses or not refused, "revived"
        assert not refuses or issued_at < status.tokens_not_before, "an authorizer of an older release would let it in"
        refused = refuses


def test_gate_lets_a_paced_token_through_until_its_moment(call: Call) -> None:
    """The whole way: bundle, token, proof, answer."""
    status = {APP: AppStatus(START - 5, paced=(paced(START - 5),))}
    moment = refused_from(KEY_ID, START - 5, 240)
    assert moment > NOW, "the key of the stand is not among the first"
    assert effect(Stand(bundle(apps=status)).call(call)) == "Allow"
    named = {APP: AppStatus(START - 5, paced=(paced(START - 5, keys=prefixes_of([KEY_ID])),))}
    assert effect(Stand(bundle(apps=named)).call(call)) == "Deny"
    short = {APP: AppStatus(START - 5, paced=(paced(START - 5, seconds=1),))}
    assert effect(Stand(bundle(apps=short)).call(call)) == "Deny", "its grace is over"
