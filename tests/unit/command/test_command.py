"""The command as a whole: help, exit codes, one sentence instead of a stack trace."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from bonafide.operator.deployment import from_outputs
from bonafide.operator.errors import OperatorError, sentence_of

Run = Callable[..., Result]

COMMANDS = (
    ("demo",),
    ("local", "up"),
    ("app", "register"),
    ("app", "list"),
    ("app", "show"),
    ("attest",),
    ("proof",),
    ("conformance",),
    ("inspect",),
    ("signing-key", "rotate"),
    ("signing-key", "list"),
    ("device-key", "block"),
    ("device-key", "unblock"),
    ("device-key", "show"),
    ("route", "set"),
    ("route", "list"),
    ("route", "show"),
    ("route", "report"),
    ("token", "show"),
    ("drills",),
    ("chaos",),
    ("fleet",),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_command_explains_itself_and_speaks_json(bonafide: Run, command: tuple[str, ...]) -> None:
    """Every command has help, and `--json` for scripts."""
    result = bonafide(*command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


@pytest.mark.parametrize(
    "command", [("app", "list"), ("app", "show", "demo"), ("signing-key", "list"), ("signing-key", "rotate")]
)
def test_command_without_a_running_stack_says_so(bonafide: Run, command: tuple[str, ...]) -> None:
    """One sentence that names the command to start it."""
    result = bonafide(*command)
    assert result.exit_code == 1
    assert "The local stack is not running: start it with `bonafide local up`" in result.stderr


def test_key_that_begins_with_a_dash_is_no_option(bonafide: Run) -> None:
    """A key_id is base64url: one in sixty-four does."""
    result = bonafide("device-key", "block", "-" + "aB3_" * 10 + "xy", "--reason", "cloned")
    assert result.exit_code == 1
    assert "The local stack is not running" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("device-key", "block", "K", "--for", "soon"),
        ("device-key", "block", "K", "--for", "0d"),
        ("route", "set", "orders", "GET /a"),
        ("route", "set", "orders", "GET /a", "proof", "--remove"),
        ("route", "set", "orders", "GET /a", "proof", "--first", "--last"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_code_two_and_changes_nothing(bonafide: Run, arguments: tuple[str, ...]) -> None:
    """Said before any stack is looked for."""
    assert bonafide(*arguments).exit_code == 2


def test_stack_that_died_is_noticed(bonafide: Run, run_folder: Path) -> None:
    """A stack file left behind by a killed process leads to a sentence, not to a hang."""
    dead = "http://127.0.0.1:9"
    facts = {
        **dict.fromkeys(("verifier_url", "guarded_url", "aws_endpoint_url", "lambda_endpoint_url"), dead),
        **dict.fromkeys(("stack_name", "issuer", "audience", "wrapping_key_id", "root_public_key"), "x"),
        "region": "eu-central-1",
        "tables": {"apps": "apps"},
        "functions": {},
    }
    (run_folder / "stack.json").write_text(json.dumps(facts))
    result = bonafide("app", "list")
    assert result.exit_code == 1
    assert "Nothing answers at http://127.0.0.1:9" in result.stderr


@pytest.mark.parametrize("content", ["", "[]", '{"verifier_url": 7}', "{"])
def test_damaged_stack_file_is_one_sentence(bonafide: Run, run_folder: Path, content: str) -> None:
    """Whatever the file holds."""
    (run_folder / "stack.json").write_text(content)
    result = bonafide("app", "list")
    assert result.exit_code == 1
    assert "is damaged: start the local stack again" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("Bad Name", "--apple-app-id", "TEAMID1234.org.example"), "cannot be an app's name"),
        (("demo", "--apple-app-id", "org.example.demo"), "is not <team id>.<bundle id>"),
        (("demo", "--apple-app-id", "teamid1234.org.example"), "is not <team id>.<bundle id>"),
        (("demo", "--apple-app-id", "TEAMID1234.org.example\n"), "is not <team id>.<bundle id>"),
        (("demo", "--apple-app-id", "TEAMID1234.org.example", "--environment", "prod"), "is not an environment"),
        (("demo", "--apple-app-id", "TEAMID1234.org.example", "--audience", "two words"), "cannot be an audience"),
    ],
)
def test_registration_that_cannot_be_right_is_refused(bonafide: Run, arguments: tuple[str, ...], sentence: str) -> None:
    """Names are checked before anything is written, even before a stack is looked for."""
    result = bonafide("app", "register", *arguments)
    assert result.exit_code == 1
    assert sentence in result.stderr


def test_registration_without_app_id_is_wrong_usage(bonafide: Run) -> None:
    """The one option without which nothing can be registered."""
    assert bonafide("app", "register", "demo").exit_code == 2


def test_parameter_without_value_is_wrong_usage(bonafide: Run) -> None:
    """`local up --parameter` takes NAME=VALUE."""
    assert bonafide("local", "up", "--parameter", "TokenLifetimeSeconds").exit_code == 2


def test_taken_port_is_one_sentence(bonafide: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`local up` and `demo` say which port and what to do."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        monkeypatch.setenv("BONAFIDE_PORT", str(port if port <= 65_532 else 65_532))
        if port > 65_532:
            pytest.skip("the system gave a port too high to stand first in a row of four")
        for command in (("local", "up"), ("demo", "--once")):
            result = bonafide(*command)
            assert result.exit_code == 1
            assert f"Port {port} on 127.0.0.1 is taken" in result.stderr


def test_outputs_of_another_stack_are_one_sentence() -> None:
    """`--stack` with a name that is not ours."""
    with pytest.raises(OperatorError, match="is not a Bonafide stack: it has no output VerifierApiUrl"):
        from_outputs("shop", "eu-central-1", {"BucketName": "x"})


def test_unforeseen_error_has_no_sentence_of_its_own() -> None:
    """So that it is reported as what should not happen, and never dressed up as the operator's mistake."""
    assert sentence_of(RuntimeError("x")) is None
    assert sentence_of(FileNotFoundError(2, "no", "a.json")) == "There is no file a.json."


def test_unforeseen_error_is_one_sentence_without_a_trace(bonafide: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command never shows a stack trace unless BONAFIDE_DEBUG asks for it."""

    def broken(*_: object) -> None:
        raise RuntimeError("the moon is in the wrong phase")

    monkeypatch.setattr("bonafide.cli.app.app.find_deployment", broken)
    result = bonafide("app", "list")
    assert result.exit_code == 1
    assert "This should not happen: RuntimeError: the moon is in the wrong phase" in result.stderr
    assert "Traceback" not in result.stderr
    monkeypatch.setenv("BONAFIDE_DEBUG", "1")
    assert isinstance(bonafide("app", "list").exception, RuntimeError)
