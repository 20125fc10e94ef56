"""Properties of what clients decide: targets, budgets, roots."""

from __future__ import annotations

from bonafide_tokens.proof import same_target
from bonafide_tokens.signing import proof_target
from hypothesis import given, settings
from hypothesis import strategies as st

from devkit.client_core.budgets import Budget, Window
from devkit.client_core.roots import RootSet, follow
from tests.vectors.keys import NOW, jwk, jws, public_key
from tests.vectors.root_vectors import HEADER, ISSUER

_SEGMENT = st.text(st.sampled_from("aZ0-._~%2fFéñ😀!$&'()*+,;=:@ /"), max_size=6)
_PATHS = st.lists(st.one_of(_SEGMENT, st.sampled_from([".", "..", "%2e", "%2E%2e"])), max_size=5).map("/".join)
_URLS = st.builds(
    "{}{}{}/{}{}".format,
    st.sampled_from(["https://", "HTTPS://", "http://"]),
    st.sampled_from(["api.example.com", "API.Example.Com", "127.0.0.1", "[2001:DB8::1]"]),
    st.sampled_from(["", ":", ":443", ":80", ":8443", ":00443"]),
    _PATHS,
    st.sampled_from(["", "?a=/../b", "#f", "?a#b?c"]),
)
_WINDOWS = (Window(3, 60.0), Window(7, 600.0))
_NAMES = ("a", "b", "c", "d")


@settings(max_examples=100, deadline=None)
@given(_URLS)
def test_target_names_the_url_and_is_normal(url: str) -> None:
    """What a client signs, a verifier takes for the URL that was called; and there is nothing left to normalise."""
    target = proof_target(url)
    assert same_target(target, url)
    assert proof_target(target) == target
    assert target.isascii()
    assert not set("?#") & set(target)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 120, allow_nan=False), max_size=40))
def test_no_window_ever_holds_more_than_it_may(pauses: list[float]) -> None:
    """Whatever the times at which calls are tried; and one more is let through as soon as it may be."""
    budget, now = Budget(_WINDOWS), 0.0
    spent: list[float] = []
    for pause in pauses:
        now += pause
        wait = budget.wait(now)
        if budget.spend(now):
            spent.append(now)
        else:
            assert wait > 0
            assert Budget(_WINDOWS, budget.spent_at).wait(now + wait + 1e-6) == 0
    for most, seconds in _WINDOWS:
        assert all(sum(at - seconds < other <= at for other in spent) <= most for at in spent)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(_NAMES), st.integers(1, 5), st.sets(st.sampled_from(_NAMES), max_size=4))))
def test_sets_follow_each_other_by_one_that_knows_the_next(offers: list[tuple[str, int, set[str]]]) -> None:
    """A step is one version, signed by a root of the set before, and keeps one of its roots."""
    held = RootSet(1, (public_key("root a"), public_key("root b")))
    version, roots = 1, {"a", "b"}
    for signer, number, names in offers:
        if number == version + 1 and signer in roots and names & roots:
            version, roots = number, names
        claims = {
            "iss": ISSUER,
            "version": number,
            "iat": NOW,
            "roots": [jwk(f"root {name}") for name in sorted(names)],
        }
        held = follow(held, [jws(f"root {signer}", HEADER, claims)], issuer=ISSUER, now=NOW)
        assert (held.version, held.points) == (version, frozenset(public_key(f"root {name}").point for name in roots))
