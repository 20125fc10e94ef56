"""What `make deploy` reads from samconfig.toml, and what it asks SAM CLI for."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from bonafide.operator.layout import Layout, LocalStackError
from devkit.local.template import read_template
from devkit.stack import stand_in
from devkit.stack.deploy_stage import chosen, command, main, protect, stages

PROJECT = Layout.of_this_project()
CONFIG = PROJECT.root / "samconfig.toml"
BLOCK = '[qa.deploy.parameters]\nstack_name = "s"\nregion = "eu-west-1"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "samconfig.toml"
    path.write_text(f"version = 0.1\n{text}", "utf-8")
    return path


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_every_stage_has_a_region_and_its_own_name_everywhere(name: str) -> None:
    """SAM CLI would ask, or deploy prod as Stage=dev."""
    stage = chosen(CONFIG, name, "arm64")
    assert stage.region
    assert stage.stack_name == f"bonafide-{name}"
    assert stage.parameters["Stage"] == name
    assert set(stage.parameters) <= set(read_template(PROJECT.template)["Parameters"])
    assert stage.asks is (name == "prod")


def test_command_names_the_file_in_full_and_the_stages_whole_list() -> None:
    """A relative file is looked for beside the built template; a list on the command line replaces the file's."""
    stage = chosen(CONFIG, "prod", "x86_64")
    line = command(PROJECT, CONFIG, stage, confirm=False)
    assert Path(line[line.index("--config-file") + 1]).is_absolute()
    assert line[line.index("--config-env") + 1] == "prod"
    assert line[line.index("--template-file") + 1].endswith("/.aws-sam/x86_64/template.yaml")
    overrides = dict(pair.split("=", 1) for pair in line[line.index("--parameter-overrides") + 1 :])
    assert overrides == {**stages(CONFIG)["prod"].parameters, "Architecture": "x86_64"}
    assert "--no-confirm-changeset" in line
    assert "--no-confirm-changeset" not in command(PROJECT, CONFIG, stage, confirm=True)


@pytest.mark.parametrize("spelling", ['["Stage=dev", "Issuer=a b"]', "\"Stage=dev 'Issuer=a b'\""])
def test_both_spellings_of_parameters_are_read(tmp_path: Path, spelling: str) -> None:
    """SAM CLI takes a list or one text."""
    config = written(tmp_path, f"{BLOCK}parameter_overrides = {spelling}\n")
    assert chosen(config, "qa", "arm64").parameters == {"Stage": "dev", "Issuer": "a b", "Architecture": "arm64"}


def test_region_may_be_the_environments_own(tmp_path: Path) -> None:
    """As SAM CLI reads it: [qa.global.parameters] belongs to qa, [default.global.parameters] does not."""
    config = written(tmp_path, '[qa.global.parameters]\nregion = "r"\n[qa.deploy.parameters]\nstack_name = "s"\n')
    assert stages(config)["qa"].region == "r"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[qa.deploy.parameters]\nstack_name = "s"\n[default.global.parameters]\nregion = "r"\n', "lacks region"),
        (f'{BLOCK}parameter_overrides = ["Stage"]\n', "not NAME=VALUE"),
        (f'{BLOCK}parameter_overrides = ["Architecture=x86_64"]\n', "ARCHITECTURE=x86_64"),
        ('[dev.deploy.parameters]\nstack_name = "s"\nregion = "r"\n', "There are: dev."),
        ("", "There are: none."),
        ("[[[", "cannot be read"),
    ],
)
def test_file_that_cannot_deploy_a_stage_says_why(tmp_path: Path, text: str, said: str) -> None:
    """One sentence, which names the place."""
    with pytest.raises(LocalStackError, match=said.replace(".", r"\.")):
        chosen(written(tmp_path, text), "qa", "arm64")


@pytest.mark.parametrize("name", ["qa", "", "global", "default", "; rm -rf /", "\N{GRINNING FACE}"])
def test_unknown_stage_is_a_sentence(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`make deploy STAGE=qa` says which there are."""
    assert main([name, "arm64", "--only-check"]) == 2
    assert "There are: dev, staging, prod." in capsys.readouterr().err


class CloudFormation:
    """Remembers what it is asked for, or refuses it."""

    def __init__(self, *, allows: bool = True) -> None:
        self.allows = allows
        self.protected: dict[str, bool] = {}

    def update_termination_protection(self, *, StackName: str, EnableTerminationProtection: bool) -> None:
        if not self.allows:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "UpdateTerminationProtection")
        self.protected[StackName] = EnableTerminationProtection


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_stack_that_people_rely_on_is_protected(name: str) -> None:
    """A stack that is deleted takes APIs and functions along, and every app with them."""
    client = CloudFormation()
    assert protect(client, chosen(CONFIG, name, "arm64")) == f"bonafide-{name} is protected against deletion."
    assert client.protected == {f"bonafide-{name}": True}


def test_stack_of_stage_dev_may_be_deleted(tmp_path: Path) -> None:
    """It comes and goes. A block without a stage has the template's default."""
    client = CloudFormation()
    assert protect(client, chosen(CONFIG, "dev", "arm64")) == ""
    assert protect(client, chosen(written(tmp_path, BLOCK), "qa", "arm64")) == ""
    assert client.protected == {}
    assert read_template(PROJECT.template)["Parameters"]["Stage"]["Default"] == "dev"


def test_stack_that_could_not_be_protected_is_said() -> None:
    """With what is missing; the exit code is not 0."""
    with pytest.raises(LocalStackError, match=r"NOT protected.*AccessDenied.*UpdateTerminationProtection"):
        protect(CloudFormation(allows=False), chosen(CONFIG, "prod", "arm64"))


@pytest.mark.parametrize(
    ("endpoint", "left_out"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, True),
        ({"AWS_ENDPOINT_URL": "http://localhost:1"}, True),
        ({"AWS_ENDPOINT_URL": "https://cloudformation.eu-central-1.amazonaws.com"}, False),
        ({}, False),
    ],
)
def test_what_a_stand_in_cannot_take_is_left_out_there_alone(endpoint: dict[str, str], left_out: bool) -> None:
    """And is a parameter with that value, or the deployment would end at once."""
    without = stand_in.left_out(endpoint)
    assert bool(without) is left_out
    parameters = read_template(PROJECT.template)["Parameters"]
    assert all(value in parameters[name]["AllowedValues"] for name, value in without.items())
