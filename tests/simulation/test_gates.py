"""When gates know of a publication, and whom they then refuse, by their own code."""

from __future__ import annotations

import numpy as np
import pytest
from bonafide_tokens.pacing.paced import Paced, refused_from

from devkit.simulation.region import gates
from devkit.simulation.region.gates import PUBLISHED, delays, honest_token, judge, refusals

GRACE = 240
PACED = Paced(PUBLISHED, 0, GRACE, ({"app_build": ["hostile"]},))


def test_without_a_grace_every_older_token_is_refused_at_once() -> None:
    assert not refusals(judge(None, honest_token()), 0.0).any()


def test_a_grace_spreads_what_no_predicate_names_evenly() -> None:
    times = refusals(judge(PACED, honest_token()), float(GRACE))
    assert max(times) <= GRACE + 0.5
    shares = np.searchsorted(times, [60, 120, 180]) / len(times)
    assert shares == pytest.approx([0.25, 0.5, 0.75], abs=0.03)


def test_what_a_predicate_names_is_refused_at_once() -> None:
    hostile = judge(PACED, honest_token()._replace(app_build="hostile"))
    assert not refusals(hostile, float(GRACE)).any()


def test_the_gate_is_asked_and_not_a_copy_of_its_rule() -> None:
    key = "k" * 43
    moment = refused_from(key, PUBLISHED, GRACE) - PUBLISHED
    assert not judge(PACED, honest_token())(key, moment - 0.01)
    assert judge(PACED, honest_token())(key, moment + 0.01)


def test_gates_know_within_what_is_promised_when_their_fetches_are_answered() -> None:
    known = delays(20_000, 1.0, 100.0, np.random.default_rng(1))
    assert min(known) >= gates.publishing()
    assert max(known) < 30.0
    assert float(np.median(known)) < 6.0


def test_fetches_that_a_throttle_refuses_cost_minutes() -> None:
    known = delays(20_000, 0.1, 100.0, np.random.default_rng(1))
    assert np.quantile(known, 0.9) > 30.0
