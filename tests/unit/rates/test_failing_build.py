"""New failing builds: ours or a stranger's, told early, and once; and what is no failing build."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from service.detection.detector import MAX_TALLY_STATE
from service.detection.finding import Finding
from service.detection.rates.failing_build import MOST_TOLD, FailingBuild
from service.detection.rates.refused_signers import NAME, RefusedSigners, slot_of
from service.detection.rates.watched import MAX_WATCHED, Value, Values
from service.detection.rates.window import ALL_APPS, KnownBuild, window_of
from service.detection.sighting import Sighting

from tests.unit.rates.rows import APP, DAY, MONDAY, Cells, Clock, Minute

PHONES = [(f"Android {12 + n % 4}", f"Maker {n % 9}", "DEFRIT"[n % 3 * 2 :][:2]) for n in range(12)]


def usual(at: int, *, build: str = "42", refused: int = 1) -> Minute:
    """Twenty renewals, and every third minute a refusal, of phones that are all known."""
    number = at // 60
    cells: Cells = {("accepted", "", "android", build, *phone): 2 for phone in PHONES[:10]}
    cells["refused", "key-unknown", "android", build, *PHONES[number % 12]] = refused if number % 3 == 0 else 0
    return {"renew": cells}


def with_build(at: int, build: str, refused: int, accepted: int = 0, why: str = "rule:build-unknown") -> Minute:
    """An ordinary minute, and decisions of another build, one for each kind of phone."""
    cells = dict(usual(at)["renew"])
    for number in range(refused):
        phone = PHONES[(at // 60 + number) % 12]
        cells["refused", why, "android", build, *phone] = cells.get(("refused", why, "android", build, *phone), 0) + 1
    for number in range(accepted):
        phone = PHONES[(at // 60 + number) % 12]
        cells["accepted", "", "android", build, *phone] = cells.get(("accepted", "", "android", build, *phone), 0) + 1
    return {"renew": cells}


@pytest.fixture(scope="module")
def learned() -> Clock:
    """An app that is known for a day and a bit."""
    clock = Clock(FailingBuild(), builds={KnownBuild("android", "42"): MONDAY - 5.0 * DAY})
    assert clock.run(26, usual, every=8) == []
    return clock


@pytest.fixture
def clock(learned: Clock) -> Clock:
    """A copy, because a test goes on with it."""
    return Clock(
        FailingBuild(), at=learned.at, state=learned.state, builds=dict(learned.builds), _rows=[*learned._rows]
    )


def signed(build: str, *signers: str) -> Callable[[str, str], bytes | None]:
    """A slot of the installs that were refused, one for each signer."""
    detector = RefusedSigners()
    value = Value("build", "android", build)
    state = None
    for number, signer in enumerate(signers):
        one = Sighting(
            at=MONDAY, app=APP, source="renew", outcome="refused", why="rule:build-unknown", key_id=f"key {number}",
            proved=True, platform="android", app_build=build, os="Android 15", model="M", country="DE", signer=signer,
        )  # fmt: skip
        state = detector.fold(slot_of(value), state, [one], MONDAY).state
    return lambda name, slot: state if (name, slot) == (NAME, slot_of(value)) else None


def test_a_release_that_was_not_registered_is_told_after_a_few_phones(clock: Clock) -> None:
    clock.slot = signed("43", *["own"] * 9, "other")
    begin, refused = clock.at, 0
    found: Sequence[Finding] = ()
    while not found and refused < 60:
        found = clock.minute(with_build(clock.at, "43", 2))
        refused += 2
    assert refused <= 8
    (finding,) = found
    assert (finding.detector, finding.app, finding.scope) == ("failing-build", APP, "population")
    assert finding.named == {"build": "43", "platform": "android", "why": "rule:build-unknown"}
    assert finding.since == begin
    assert finding.own_signer_share == pytest.approx(0.9)
    assert finding.counts["refused"] == refused
    assert any("It is not registered; the newest that is, 42," in sentence for sentence in finding.because)
    assert finding.remedy.kind == "register-build"
    assert finding.remedy.command == "bonafide app register demo --from FILE"
    assert finding.remedy.rule == ""


def test_a_strangers_copy_is_to_be_left_refused(clock: Clock) -> None:
    clock.slot = signed("666", *["other"] * 12)
    found = clock.run(0.2, lambda at: with_build(at, "666", 3, why="signer-mismatch"))
    assert found[-1].own_signer_share == 0.0
    assert found[-1].remedy.kind == "look"
    assert "Register nothing" in found[-1].remedy.text
    assert found[-1].remedy.command == ""
    assert found[-1].remedy.rule == ""


def test_without_a_word_of_hardware_it_says_so(clock: Clock) -> None:
    found = clock.run(0.2, lambda at: with_build(at, "43", 3))
    assert found[-1].own_signer_share is None
    assert any("Hardware says of no install" in sentence for sentence in found[-1].because)
    assert found[-1].remedy.text.startswith("If you released it")


def test_a_registered_build_that_differs(clock: Clock) -> None:
    clock.builds[KnownBuild("android", "43")] = clock.at
    clock.slot = signed("43", *["own"] * 9)
    found = clock.run(0.2, lambda at: with_build(at, "43", 3, why="rule:build-modified"))
    assert any("It was registered at" in sentence for sentence in found[-1].because)
    assert "another store or split" in found[-1].remedy.text


@pytest.mark.parametrize("refused", [0, 1])
def test_a_registered_release_is_no_incident(clock: Clock, refused: int) -> None:
    assert clock.run(6, lambda at: with_build(at, "43", refused if at // 60 % 8 == 0 else 0, accepted=3)) == []


def test_it_ends_when_the_build_is_registered(clock: Clock) -> None:
    found = clock.run(1, lambda at: with_build(at, "43", 3))
    assert len({finding.subject for finding in found}) == 1
    last = found[-1].last
    later = clock.run(1.1, lambda at: with_build(at, "43", 0, accepted=6))
    assert {finding.last for finding in later} <= {last}  # nothing new: the incident goes quiet
    assert clock.run(0.2, lambda at: with_build(at, "43", 0, accepted=6)) == []


def test_one_phone_that_tries_all_day_is_no_failing_build(clock: Clock) -> None:
    cell = ("refused", "rule:build-unknown", "android", "43", *PHONES[0])
    assert clock.run(3, lambda at: {"renew": {**usual(at)["renew"], cell: 4}}, every=3) == []


def test_a_new_model_that_fails_in_many_places_is_told(clock: Clock) -> None:
    def fails(at: int) -> Minute:
        company = [("42", f"Android {12 + n % 4}", "Tarn 1", f"C{n % 6}") for n in range(3 * (at // 60 % 7), 99)][:3]
        cells: Cells = {("refused", "android-boot-unverified", "android", *facts): 1 for facts in company}
        return {"renew": {**usual(at)["renew"], **cells}}

    found = clock.run(0.5, fails)
    assert {finding.subject.partition(":")[0] for finding in found} == {"model"}
    assert found[-1].named["model"] == "Tarn 1"
    assert found[-1].remedy.kind == "look"
    assert "replay" in found[-1].remedy.command


def test_models_of_a_failing_build_are_not_told_besides(clock: Clock) -> None:
    def fails(at: int) -> Minute:
        cells: Cells = {
            ("refused", "rule:build-unknown", "android", "43", "Android 15", f"New {n}", "DE"): 3 for n in range(8)
        }
        return {"renew": {**usual(at)["renew"], **cells}}

    assert {finding.named.get("build") for finding in clock.run(0.5, fails)} == {"43"}


def test_names_that_strangers_make_up_are_few_findings_and_little_state(clock: Clock) -> None:
    def flood(at: int) -> Minute:
        cells: Cells = {
            ("refused", "signer-mismatch", "android", f"{at // 600}-{n % 20}", *PHONES[(at // 60 + n) % 12]): 1
            for n in range(60)
        }
        return {"renew": {**usual(at)["renew"], **cells}}

    for _ in range(40):
        found = clock.minute(flood(clock.at))
        assert len(found) <= MOST_TOLD + 1
    assert found
    assert clock.state is not None
    assert len(clock.state) < MAX_TALLY_STATE / 4
    kinds = [value.kind for value in Values.from_bytes(clock.state).watched]
    assert max(map(kinds.count, kinds)) <= MAX_WATCHED


def test_the_first_hour_of_an_app_has_no_findings() -> None:
    clock = Clock(FailingBuild())
    assert clock.run(0.9, lambda at: with_build(at, "43", 5)) == []


def test_the_first_day_of_an_app_has_findings_of_builds_only() -> None:
    clock = Clock(FailingBuild())
    clock.run(2, usual, every=8)
    found = clock.run(0.2, lambda at: with_build(at, "43", 5))
    assert {finding.named.get("build") for finding in found} == {"43"}
    cells: Cells = {("refused", "x", "android", "42", f"Android {n}", "New 1", "DE"): 3 for n in range(9)}
    assert {finding.subject for finding in clock.run(0.2, lambda at: {"renew": {**usual(at)["renew"], **cells}})} <= {
        finding.subject for finding in found
    }


@pytest.mark.parametrize("why", ["build-retired", "rule:build-downgraded"])
def test_a_build_that_its_owner_withdrew_is_no_failing_build(clock: Clock, why: str) -> None:
    assert clock.run(0.5, lambda at: with_build(at, "41", 5, why=why)) == []


def test_what_failed_since_ever_is_not_new() -> None:
    clock = Clock(FailingBuild())
    assert clock.run(6, lambda at: with_build(at, "43", 5), every=8) == []


def test_each_minute_counts_once(clock: Clock) -> None:
    for _ in range(40):
        clock.minute(with_build(clock.at, "43", 1, accepted=2))
        clock.look(clock.at + 20.0)
        clock.look(clock.at + 40.0)
    clock.run(0.3, usual)
    watched = Values.from_bytes(clock.state).watched[Value("build", "android", "43")]
    assert (watched.refused, watched.accepted) == (40, 80)


def test_a_quiet_app_writes_nothing(clock: Clock) -> None:
    clock.run(0.5, usual)
    before = clock.writes
    clock.run(4, lambda _: {})
    assert clock.writes - before <= 1


def test_a_busy_app_writes_eight_times_an_hour_at_most(clock: Clock) -> None:
    before = clock.writes
    clock.run(2, usual)
    assert 0 < clock.writes - before <= 16


@pytest.mark.parametrize("state", [b"", b"nonsense", b"x\x9c\x03\x00\x00\x00\x00\x01"])
def test_a_state_that_cannot_be_read_is_begun_anew(state: bytes) -> None:
    clock = Clock(FailingBuild(), state=state)
    assert clock.run(0.5, usual) == []
    assert clock.state != state


def test_all_apps_together_are_not_looked_at() -> None:
    assert FailingBuild().look(window_of(ALL_APPS, [], MONDAY), None, MONDAY) == (None, ())
