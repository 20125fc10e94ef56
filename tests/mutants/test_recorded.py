"""The list of mutants in the repository: whole, all tried, few alive, each of them explained.

It holds the list, not today's code: a module that has changed since makes no test fail, and is said to be outdated.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.mutants.recorded import LIST, MOST_ALIVE, ROOT, Recorded, digest_of, reasons, summary_of

SEED, NUMBER = "7", 1500
SMALL = """# two mutants
# a remark

rooms/gate.py {digest}
  0123456789ab killed AddNot
  ba9876543210 alive condition-never
    - if a:
    + if False:
"""


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return Recorded.parse(LIST.read_text("utf-8"))


def test_list_has_every_mutant_of_the_seed_once(recorded: Recorded) -> None:
    """The number that `make mutants` chooses unless told otherwise."""
    assert len({entry.identity for entry in recorded.entries}) == len(recorded.entries) == NUMBER


def test_list_says_truly_how_many_were_tried_and_live(recorded: Recorded) -> None:
    """Its first line is what people read: counted again."""
    outcomes = Counter(entry.outcome for entry in recorded.entries)
    assert recorded.summary == summary_of(outcomes, seed=SEED)


def test_few_mutants_live(recorded: Recorded) -> None:
    """One in fifty."""
    assert len(recorded.alive) <= MOST_ALIVE * NUMBER


def test_each_mutant_that_lives_is_explained(recorded: Recorded) -> None:
    """By a sentence, not by a word."""
    told = reasons()
    assert [entry for entry in recorded.alive if len(told.get(entry.identity, "").split()) < 4] == []


def test_every_mutant_was_tried(recorded: Recorded) -> None:
    """A run that ended early is not written down as one."""
    assert len(recorded.tried) == len(recorded.entries)


def test_living_mutant_of_an_unchanged_module_is_of_a_line_that_is_there(recorded: Recorded) -> None:
    """Or the list was made of some other code."""
    outdated = recorded.outdated()
    current = [entry for entry in recorded.alive if entry.path not in outdated]
    strangers = [
        entry
        for entry in current
        if entry.was and entry.was not in map(str.strip, (ROOT / entry.path).read_text("utf-8").splitlines())
    ]
    assert strangers == []


def test_module_that_changed_or_went_away_is_outdated(tmp_path: Path) -> None:
    """By its text, whatever git says."""
    module = tmp_path / "rooms" / "gate.py"
    module.parent.mkdir()
    module.write_text("if a:\n    b()\n", "utf-8")
    read = Recorded.parse(SMALL.format(digest=digest_of(module)))
    assert read.outdated(tmp_path) == set()
    module.write_text("if a or c:\n    b()\n", "utf-8")
    assert read.outdated(tmp_path) == {"rooms/gate.py"}
    module.unlink()
    assert read.outdated(tmp_path) == {"rooms/gate.py"}


def test_list_is_read_as_it_is_written() -> None:
    """What lives comes with its line, before and after; what is no line of the list is no list."""
    read = Recorded.parse(SMALL.format(digest="0" * 12))
    assert [(entry.path, entry.operator, entry.outcome, entry.was, entry.now) for entry in read.entries] == [
        ("rooms/gate.py", "AddNot", "killed", "", ""),
        ("rooms/gate.py", "condition-never", "alive", "if a:", "if False:"),
    ]
    assert [entry.identity for entry in read.alive] == ["ba9876543210"]
    with pytest.raises(ValueError, match="not a line"):
        Recorded.parse(SMALL.format(digest="0" * 12) + "survived\n")
