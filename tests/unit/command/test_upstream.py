"""``bonafide upstream check``: what it shows, and what it says of a file that the proxy would not start with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bonafide.cli.main import cli
from tests.architecture.source_tree import ROOT

GOOD: dict[str, Any] = json.loads((ROOT / "examples/assistant/upstreams.json").read_text("utf-8"))


def checked(path: Path, *more: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["upstream", "check", str(path), *more])
    return result.exit_code, result.output


def test_example_is_good_and_shown(tmp_path: Path) -> None:
    code, said = checked(ROOT / "examples/assistant/upstreams.json", "--json")
    (one,) = json.loads(said)["upstreams"]
    assert code == 0
    assert (one["base"], one["per_key"]) == ("https://api.example.com", "20 calls, 20,000 tokens a day")
    priced = json.loads(json.dumps(GOOD))
    priced["assistant"]["budget"]["prices"] = {"small": {"input": 3, "output": 15}}
    (tmp_path / "priced.json").write_text(json.dumps(priced), "utf-8")
    (one,) = json.loads(checked(tmp_path / "priced.json", "--json")[1])["upstreams"]
    assert (one["models"], one["per_key"]) == (["small"], "20 calls, $0.02 a day")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "one JSON object"),
        ("{}", "1 to 16 upstreams"),
        (json.dumps({"assistant": {**GOOD["assistant"], "base": "http://api.example.com"}}), "base"),
        (json.dumps({"assistant": {**GOOD["assistant"], "base": "https://127.0.0.1"}}), "base"),
        (json.dumps({"assistant": {**GOOD["assistant"], "timeout": 3}}), "timeout"),
        (json.dumps({f"upstream-{n}": GOOD["assistant"] for n in range(12)}), "a second proxy"),
        ("\ud800", "no UTF-8"),
    ],
    ids=["cut off", "empty", "http", "address", "misspelt", "too large", "not UTF-8"],
)
def test_file_that_the_proxy_would_not_take(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "upstreams.json"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    code, said = checked(file)
    assert code != 0
    assert says in " ".join(said.split())
    assert "Traceback" not in said


def test_file_that_is_not_there(tmp_path: Path) -> None:
    code, said = checked(tmp_path / "none.json")
    assert code != 0
    assert "cannot be read" in " ".join(said.split())
