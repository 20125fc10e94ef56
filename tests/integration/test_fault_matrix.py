"""A part of the fault matrix, by seed: every function and every fault. `make faults` runs all of it (or, as `.ci/run`
does, more of it) and prints the table."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fault_matrix import EXCEPTIONS, Row, covering, excused, rows_of, run
from tests.service_stack.fault_cases import CASES
from tests.service_stack.fault_proxy import Fault
from tests.service_stack.matrix_stack import MatrixStack, matrix_stack

pytestmark = [pytest.mark.ministack, pytest.mark.long]


@pytest.fixture(scope="module")
def stack(ministack_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MatrixStack]:
    with matrix_stack(ministack_url, tmp_path_factory.mktemp("matrix")) as made:
        yield made


@pytest.fixture(scope="module")
def rows(stack: MatrixStack) -> list[Row]:
    """All rows there are: the calls are recorded from a good run of each function."""
    return [row for case in CASES for row in rows_of(stack, case)]


@pytest.fixture(autouse=True)
def _clients_of_the_matrix(_no_real_aws: None, stack: MatrixStack) -> None:
    """The other fixture forgets the environment of this module's stack for each test."""
    stack.take_environment()


def test_every_function_that_calls_anything_has_rows(rows: list[Row]) -> None:
    """A proxy that sees nothing would prove nothing."""
    assert {row.case.name for row in rows} == {case.name for case in CASES}
    assert {row.call.name.split()[0] for row in rows} == {"dynamodb", "google", "kms", "lambda", "verifier"}
    assert {row.fault for row in rows} == set(Fault)
    assert len(rows) > 500


def test_part_of_the_matrix_holds(stack: MatrixStack, rows: list[Row]) -> None:
    """Each row: within the deadline, refused with a time to come back, and one success leaves what one success does."""
    wrong, chosen = [], covering(rows, seed=7)
    assert {row.case for row in chosen} == set(CASES)
    assert {row.fault for row in chosen} == set(Fault)
    for row in chosen:
        result = run(stack, row)
        if result.wrong and not excused(row):
            wrong.append(f"{row}: {result.wrong}")
    assert wrong == []


def test_exceptions_are_of_rows_that_there_are(rows: list[Row]) -> None:
    """What is excused and gone must leave the list."""
    unused = [start for start in EXCEPTIONS if not any(str(row).startswith(start) for row in rows)]
    assert unused == []
