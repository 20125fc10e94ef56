"""What stands around `make restore` and `make verify-aws`: refusals, and how steps that fail are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bonafide.operator.layout import Layout, LocalStackError
from devkit.devices.authority.authority import DeviceAuthority
from devkit.local.template import read_template
from devkit.stack.deploy_stage import stages
from devkit.stack.restore_tables import restore
from devkit.verification.account import Account
from devkit.verification.verify_aws import Failed, Skipped, Verification, of_development

PROJECT = Layout.of_this_project()
STAGES = stages(PROJECT.root / "samconfig.toml")


def test_only_stages_of_development_are_verified() -> None:
    """Software devices would have to be trusted, and the stack is deleted; never the one that is in use."""
    assert of_development(STAGES["dev"]).stack_name == "bonafide-dev-verify"
    for name in ("staging", "prod"):
        with pytest.raises(LocalStackError, match="no stage of development"):
            of_development(STAGES[name])


def test_table_that_is_not_there_is_said_before_anything_is_restored() -> None:
    """With the ones that are."""

    class Untouched:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(name)

    template = read_template(PROJECT.template)
    tables = ["AppsTable", "KeysTable"]
    with pytest.raises(LocalStackError, match=r"There is no table KeysTable\. There are: AppsTable,"):
        list(restore(Untouched(), template, {"AppsTableName": "x"}, tables, to=None, now=datetime.now(UTC)))


class Steps(Verification):
    """Three steps in place of the real ones."""

    def steps(self) -> Sequence[tuple[str, Callable[[], str]]]:
        return (("first", self.first), ("second", self.second), ("third", self.third), ("gone", self.delete))

    def first(self) -> str:
        raise Skipped("not here")

    def second(self) -> str:
        raise Failed("it did not")

    def third(self) -> str:
        raise AssertionError("it follows one that failed")

    def delete(self) -> str:
        return "all"


def test_step_that_fails_ends_the_rest_but_not_the_deletion(tmp_path: Path) -> None:
    """A stack that is left behind costs; a step that was skipped is no failure."""
    account = Account(PROJECT, STAGES["dev"], DeviceAuthority.create())
    told: list[str] = []
    assert not Steps(account).run(told.append)
    assert told == [
        "1. first: skipped. not here",
        "2. second: FAILED. it did not",
        "3. third: skipped. a step before it failed",
        "4. gone: done. all",
    ]
