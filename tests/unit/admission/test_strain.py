"""When tokens are stretched: an operator says so, or this process' own tables and keys fail. Else never."""

from __future__ import annotations

import pytest
from attestation.reference_values import ReferenceValues
from service.admission.strain import FEWEST, SEEN_FOR, Strain, Stress
from service.errors import Reason, Rejected, Unavailable
from service.tables.apps import RegisteredApp

NOW = 1_800_000_000.0


class Steady:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _app(stressed_until: int = 0) -> RegisteredApp:
    return RegisteredApp(app="demo", reference_values=ReferenceValues(), stressed_until=stressed_until)


def _renewals(strain: Strain, number: int, error: Exception | None = None) -> None:
    for _ in range(number):
        try:
            with strain.watching():
                if error is not None:
                    raise error
        except (Unavailable, Rejected):
            pass


def test_without_anything_there_is_no_stress() -> None:
    assert Strain().of(_app(), NOW) is Stress.NONE


def test_an_operator_s_word_holds_until_it_ends() -> None:
    strain = Strain()
    assert strain.of(_app(int(NOW) + 1), NOW) is Stress.OPERATOR
    assert strain.of(_app(int(NOW) + 1), NOW + 1) is Stress.NONE


def test_trouble_is_a_share_of_renewals_and_ends_by_itself() -> None:
    strain = Strain(steady := Steady())
    _renewals(strain, FEWEST - 1, Unavailable("dynamodb:TransactWriteItems"))
    assert strain.of(_app(), NOW) is Stress.NONE
    _renewals(strain, 1, Unavailable("kms:Decrypt"))
    assert strain.of(_app(), NOW) is Stress.TROUBLE
    _renewals(strain, 100)
    assert strain.of(_app(), NOW) is Stress.NONE, "three of a hundred"
    _renewals(strain, 20, Unavailable("dynamodb:BatchGetItem"))
    assert strain.of(_app(), NOW) is Stress.TROUBLE
    steady.now += SEEN_FOR + 1
    assert strain.of(_app(), NOW) is Stress.NONE


@pytest.mark.parametrize(
    "error",
    [Unavailable("play: no answer"), Unavailable("5 publishers were faster"), Rejected(Reason.KEY_UNKNOWN, "unknown")],
    ids=str,
)
def test_vendors_and_refusals_are_no_trouble(error: Exception) -> None:
    strain = Strain()
    _renewals(strain, 50, error)
    assert strain.of(_app(), NOW) is Stress.NONE


def test_what_is_remembered_is_bounded() -> None:
    strain = Strain()
    _renewals(strain, 10_000)
    assert len(strain._calls) <= 2_000
