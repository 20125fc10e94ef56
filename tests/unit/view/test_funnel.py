"""The funnel over tallies: what each step counts, where attempts end, and what is never made up."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from attestation.errors import Reason as EvidenceReason
from bonafide_tokens.counting.key_sketch import KeySketch
from service.errors import Reason as ServiceReason
from service.tallies.rows import Cell, TallyRow, Why
from service.telemetry.attestation_failures import BEFORE_CHALLENGE, FailureCode
from service.view.funnel import funnel

from tests.unit.view.documented import check_documented

Cells = dict[tuple[str, str, tuple[str, ...]], int]
PHONE = ("ios", "9F2C", "iOS 27.0", "iPhone18,1")
TABLET = ("ios", "9F2B", "iOS 16.7", "iPad6,3")


def sketch(keys: Iterable[str]) -> KeySketch:
    found = KeySketch()
    for key in keys:
        found.add(key)
    return found


def row(
    source: str,
    cells: Cells,
    *,
    at: int = 1_764_250_000,
    keys: Iterable[str] = (),
    other: Mapping[str, int] | None = None,
    other_by_why: Mapping[Why, int] | None = None,
) -> TallyRow:
    """A row; ``keys`` are those of what was accepted."""
    return TallyRow(
        app="demo",
        source=source,
        step=60,
        at=at,
        cells={Cell(*cell): count for cell, count in cells.items()},
        other=other or {},
        keys={"accepted": sketch(keys)} if keys else {},
        other_by_why=other_by_why or {},
    )


def challenges(issued: int, returned: int = 0) -> TallyRow:
    return row("challenge", {("issued", "", ()): issued, ("returned", "", ()): returned})


def reports(**codes: int) -> TallyRow:
    return row("beacon", {("reported", code.replace("_", "-"), PHONE): count for code, count in codes.items()})


def enrolments(**whys: int) -> TallyRow:
    """By why; ``accepted`` are accepted."""
    cells: Cells = {
        (
            "accepted" if why == "accepted" else "refused",
            "" if why == "accepted" else why.replace("_", "-"),
            (*PHONE, "CH"),
        ): count
        for why, count in whys.items()
    }
    return row("enrol", cells, keys=[f"key-{number}" for number in range(whys.get("accepted", 0))])


def asked(*rows: TallyRow, **more: Any) -> dict[str, Any]:
    answer = funnel(rows, **more)
    window = {"app": "demo", "since": 0, "until": 1, "step": 60, "by": list(more.get("by", ()))}
    check_documented("ViewFunnel", {**window, **answer})
    return answer


def counts_of(answer: Mapping[str, Any]) -> dict[str, int | None]:
    return {step["step"]: step["count"] for step in answer["steps"]}


def losses_of(answer: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    return {(loss["after"], loss["cause"]): loss["count"] for loss in answer["losses"]}


def test_silent_devices_are_unexplained_and_nothing_else() -> None:
    """8 % without evidence, of three causes, a quarter of them silent: what the page must show."""
    answer = asked(
        challenges(1000),
        reports(app_attest_not_supported=30, vendor_quota=20, key_generation_failed=10),
        enrolments(accepted=920),
    )
    assert counts_of(answer) | {"used": None, "renewed": None} == {
        **dict.fromkeys(("evidence", "verified", "accepted"), 920),
        "challenge": 1000,
        "used": None,
        "renewed": None,
    }
    assert answer["unexplained"] == {"count": 20, "share": 0.02}
    assert answer["excess"] == 0
    assert losses_of(answer) == {
        ("accepted", "no-request"): pytest.approx(920, rel=0.1),
        ("challenge", "app-attest-not-supported"): 30,
        ("challenge", "vendor-quota"): 20,
        ("challenge", "unexplained"): 20,
        ("challenge", "key-generation-failed"): 10,
    }
    shares = {loss["cause"]: loss["share"] for loss in answer["losses"] if loss["after"] == "challenge"}
    assert shares == {
        "app-attest-not-supported": 0.03,
        "vendor-quota": 0.02,
        "unexplained": 0.02,
        "key-generation-failed": 0.01,
    }


def test_challenges_of_apps_that_slept_are_no_lost_devices() -> None:
    """The failure: every app that was opened again asks for a challenge and renews, and the page says that nearly all
    devices never arrive."""
    answer = asked(challenges(50_000, returned=49_000), enrolments(accepted=1000))
    assert answer["unexplained"] == {"count": 0, "share": 0.0}
    assert counts_of(answer)["challenge"] == 1000


@pytest.mark.parametrize("code", sorted(BEFORE_CHALLENGE))
def test_device_that_never_reached_us_is_an_attempt_of_its_own(code: FailureCode) -> None:
    """No challenge was issued, so none is explained by it."""
    answer = asked(challenges(90), reports(**{code.value: 10}), enrolments(accepted=80))
    assert losses_of(answer)["start", code.value] == 10
    assert answer["unexplained"] == {"count": 10, "share": 0.1}
    assert answer["steps"][0]["share"] == 0.9


def test_forged_reports_make_no_device_appear() -> None:
    """More reports than challenges: nothing is unexplained, the excess is told, no count is negative, and what was
    verified stays what it was."""
    answer = asked(challenges(100), reports(timeout=100_000), enrolments(accepted=90, anchor_unknown=10))
    assert (answer["unexplained"], answer["excess"]) == ({"count": 0, "share": 0.0}, 100_000)
    assert (counts_of(answer)["evidence"], counts_of(answer)["accepted"]) == (100, 90)
    assert all(step["count"] >= 0 and 0 <= step["share"] <= 1 for step in answer["steps"])


def test_what_failed_before_and_after_verification_are_two_steps() -> None:
    answer = asked(
        challenges(20),
        enrolments(
            accepted=10,
            anchor_unknown=1,
            **{"rule:emulator": 2},
            build_retired=3,
            key_blocked=2,
            device_enrolments=1,
            app_unknown=1,
        ),
    )
    assert counts_of(answer) | {"used": 0, "renewed": 0} == {
        "challenge": 20, "evidence": 20, "verified": 18, "accepted": 10, "used": 0, "renewed": 0,
    }  # fmt: skip
    assert losses_of(answer)["evidence", "anchor-unknown"] == 1
    assert losses_of(answer)["verified", "rule:emulator"] == 2


def test_every_reason_of_a_refusal_belongs_to_one_of_the_two() -> None:
    """By name: a reason that is renamed or new is looked at here."""
    after = set()
    for reason in (*EvidenceReason, *ServiceReason):
        answer = asked(challenges(1), row("enrol", {("refused", reason.value, (*PHONE, "")): 1}))
        assert losses_of(answer) == {(answer["losses"][0]["after"], reason.value): 1}
        if answer["losses"][0]["after"] == "verified":
            after.add(reason.value)
    assert after == {
        "build-retired", "appraisal-contraindicated", "challenge-spent", "device-enrolments", "key-already-enrolled",
        "key-blocked",
    }  # fmt: skip


def test_outage_of_ours_is_no_refusal() -> None:
    answer = asked(challenges(5), row("enrol", {("unavailable", "try-later", (*PHONE, "")): 5}))
    (loss,) = answer["losses"]
    assert (loss["after"], loss["cause"], loss["kind"], loss["count"]) == ("evidence", "try-later", "unavailable", 5)
    assert counts_of(answer)["verified"] == 0


def test_losses_are_told_apart_by_what_enrolments_and_reports_know() -> None:
    rows = [
        challenges(6),
        row("beacon", {("reported", "key-lost", PHONE): 1, ("reported", "key-lost", TABLET): 2}),
        row("enrol", {("refused", "rule:root", (*TABLET, "CH")): 2, ("refused", "rule:root", (*TABLET, "DE")): 1}),
    ]
    told = {
        (loss["cause"], *loss["facts"].values()): loss["count"] for loss in asked(*rows, by=("model", "os"))["losses"]
    }
    assert told == {
        ("key-lost", "iPhone18,1", "iOS 27.0"): 1,
        ("key-lost", "iPad6,3", "iOS 16.7"): 2,
        ("rule:root", "iPad6,3", "iOS 16.7"): 3,
    }
    every = asked(*rows, by=("platform", "build", "os", "model"))["losses"]
    assert every[0]["facts"] == {"platform": "ios", "build": "9F2B", "os": "iOS 16.7", "model": "iPad6,3"}
    assert losses_of(asked(*rows)) == {("challenge", "key-lost"): 3, ("verified", "rule:root"): 3}


def test_filter_leaves_out_what_has_no_facts() -> None:
    """Challenges name no device: with a filter nothing is called unexplained."""
    rows = [
        challenges(10),
        row("beacon", {("reported", "key-lost", PHONE): 1, ("reported", "key-lost", TABLET): 2}),
        row("enrol", {("accepted", "", (*PHONE, "CH")): 6}, keys=map(str, range(6)), other={"refused": 3}),
    ]
    answer = asked(*rows, only={"model": "iPad6,3"})
    assert counts_of(answer) == dict.fromkeys(("challenge", "used", "renewed")) | {
        "evidence": 0, "verified": 0, "accepted": 0,
    }  # fmt: skip
    assert losses_of(answer) == {("challenge", "key-lost"): 2}
    assert (answer["unexplained"], answer["excess"], answer["unrecorded"]) == (None, 0, {"enrol": 3})


def test_decisions_whose_facts_were_not_kept_are_counted() -> None:
    """By their reason as far as it is known; never by a reason that is not."""
    answer = asked(
        challenges(30),
        row(
            "enrol",
            {("accepted", "", (*PHONE, "CH")): 4},
            other={"accepted": 6, "refused": 9},
            other_by_why={Why("refused", "anchor-unknown"): 5, Why("accepted", ""): 6},
        ),
        row("beacon", {}, other={"reported": 7}, other_by_why={Why("reported", "timeout"): 3}),
        by=("model",),
    )
    assert (counts_of(answer)["evidence"], counts_of(answer)["accepted"]) == (19, 10)
    assert losses_of(answer) == {
        ("evidence", "anchor-unknown"): 5,
        ("evidence", "unrecorded"): 4,
        ("challenge", "timeout"): 3,
        ("challenge", "unrecorded"): 4,
        ("challenge", "unexplained"): 4,
    }
    assert all(loss["facts"] == {} for loss in answer["losses"])
    assert answer["unrecorded"] == {"beacon": 7, "enrol": 15}


def test_devices_after_the_first_token_are_estimated() -> None:
    """Different keys, not requests: a device that calls a thousand times is one."""
    keys = [f"key-{number}" for number in range(3000)]
    answer = asked(
        challenges(1000),
        row("enrol", {("accepted", "", (*PHONE, "CH")): 1000}, keys=keys[:1000]),
        row(
            "renew",
            {("accepted", "", (*PHONE, "CH")): 9000, ("refused", "rule:root", (*PHONE, "CH")): 1000},
            keys=keys[500:],
        ),
        row("authorize", {("accepted", "", ("r", "verified", "ios", "1")): 10**6}, keys=keys[:1500]),
    )
    devices = {step["step"]: step for step in answer["steps"] if step["of"] == "devices"}
    assert devices["used"]["count"] == pytest.approx(1500, rel=0.1)
    assert devices["renewed"]["count"] == pytest.approx(2500, rel=0.1)
    assert devices["used"]["share"] == pytest.approx(0.5, rel=0.1)
    assert devices["used"]["error"] == 0.0325
    (quiet, refused) = answer["losses"]
    assert (quiet["after"], quiet["cause"], quiet["kind"]) == ("accepted", "no-request", "estimate")
    assert quiet["count"] == pytest.approx(1500, rel=0.2)
    assert (refused["after"], refused["cause"], refused["share"]) == ("used", "rule:root", 0.1)


def test_difference_within_the_error_of_estimates_is_no_loss() -> None:
    keys = [f"key-{number}" for number in range(2000)]
    for used in (2000, 1980, 1950):
        answer = asked(
            challenges(2000),
            row("enrol", {("accepted", "", (*PHONE, "CH")): 2000}, keys=keys),
            row("authorize", {("accepted", "", ("r", "verified", "ios", "1")): used}, keys=keys[:used]),
        )
        assert answer["losses"] == []


def test_losses_beyond_the_limit_are_told_as_a_sum() -> None:
    """A text that devices choose makes rows without end; the page gets so many."""
    cells: Cells = {("reported", "other", ("android", "1", "os", f"model {n}")): 1 + n % 2 for n in range(500)}
    answer = asked(challenges(1000), row("beacon", cells), by=("model",), limit=100)
    assert len(answer["losses"]) == 100
    assert answer["losses"][0]["count"] == 250
    assert answer["not_shown"] == {"rows": 401, "count": 1000 - sum(loss["count"] for loss in answer["losses"])}


def test_nothing_counted_is_no_funnel_but_zeros() -> None:
    answer = asked()
    assert counts_of(answer) == dict.fromkeys(("challenge", "evidence", "verified", "accepted", "used", "renewed"), 0)
    assert (answer["losses"], answer["data_until"], answer["unexplained"]) == ([], None, {"count": 0, "share": None})


def test_hostile_texts_come_out_as_they_went_in() -> None:
    """They are text for any page that shows them."""
    evil = "<script>alert(1)</script>\u202e\x00"
    answer = asked(challenges(1), row("beacon", {("reported", "other", (evil, evil, evil, evil)): 1}), by=("model",))
    assert answer["losses"][0]["facts"] == {"model": evil}


@pytest.mark.parametrize("seed", range(20))
def test_every_attempt_ends_in_exactly_one_place(seed: int) -> None:
    """What the steps say went missing is what the losses say, whatever came in which buckets and in which order."""
    dice = random.Random(seed)
    whys: Sequence[str] = ("", "anchor-unknown", "rule:a", "key-blocked", "try-later")
    codes = [code.value for code in FailureCode]
    rows, devices = [], Counter[str]()
    for bucket in range(30):
        cells: Cells = {
            (
                "accepted" if not why else "unavailable" if why == "try-later" else "refused",
                why,
                (*dice.choice((PHONE, TABLET)), "CH"),
            ): dice.randrange(20)
            for why in whys
        }
        told: Cells = {("reported", code, PHONE): dice.randrange(3) for code in dice.sample(codes, 4)}
        devices["arrived"] += sum(cells.values()) + sum(
            count for (_, code, _), count in told.items() if FailureCode(code) not in BEFORE_CHALLENGE
        )
        devices["unreached"] += sum(
            count for (_, code, _), count in told.items() if FailureCode(code) in BEFORE_CHALLENGE
        )
        at = 60 * bucket
        rows += [row("enrol", cells, at=at), row("beacon", told, at=at)]
    silent = dice.randrange(500)
    rows.append(challenges(devices["arrived"] + silent + 77, returned=77))
    dice.shuffle(rows)
    answer = asked(*rows, by=("model",))
    steps, lost = counts_of(answer), Counter[str]()
    for loss in answer["losses"]:
        lost[loss["after"]] += loss["count"]
    assert lost["start"] == devices["unreached"]
    for before, after in (("challenge", "evidence"), ("evidence", "verified"), ("verified", "accepted")):
        assert (steps[before] or 0) - (steps[after] or 0) == lost[before]
    assert answer["unexplained"]["count"] == silent
