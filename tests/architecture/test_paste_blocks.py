"""Every block of commands in README and docs can be pasted into bash and into zsh, and names what exists.

An interactive zsh takes ``#`` for a word, and stops at a pattern that matches no file. What the README's and the
walkthrough's blocks answer is tested in tests/fleet/test_walkthrough.py, on a stack; blocks for operators have
placeholders (``NAME``, ``APP``, ``KEY``, files of one's own), so the command's own parser reads them here.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from bonafide.cli.main import cli
from tests.architecture.source_tree import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/*.md")])
COMMANDS = (
    "make",
    "bonafide",
    ".venv/bin/bonafide",
    "curl",
    "sam",
    "aws",
    "cp",
    "mkdir",
    "echo",
    "sleep",
    "pip",
    "git",
)
_FENCE = re.compile(r"^ *```([a-z]*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_TABLE_COMMAND = re.compile(r"^\| `((?:\.venv/bin/)?bonafide [^`]+|make [^`]+)` \|", re.MULTILINE)
_READ = ("make", "bonafide", ".venv/bin/bonafide")
_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, and where it is."""

    page: str
    number: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}-{self.number}"


def _blocks() -> Iterator[Block]:
    for page in PAGES:
        for number, (language, text) in enumerate(_FENCE.findall(page.read_text("utf-8")), start=1):
            yield Block(page.relative_to(ROOT).as_posix(), number, language, text)


BLOCKS = list(_blocks())
SHELL = [block for block in BLOCKS if block.language in ("bash", "sh", "zsh", "console", "shell")]


def _unquoted(text: str) -> str:
    """The text with each quoted or escaped character, and each ``${…}``, replaced by a space."""
    shown: list[str] = []
    quote = ""
    for match in re.finditer(r"\\.|\$\{[^}]*\}|\$[?*@#!$0-9-]|.", text, re.DOTALL):
        piece = match.group()
        if quote:
            quote = "" if piece == quote else quote
            shown.append("\n" if piece == "\n" else " ")
        elif piece in ("'", '"'):
            quote = piece
            shown.append(" ")
        else:
            shown.append(piece if len(piece) == 1 else " ")
    return "".join(shown)


@pytest.mark.parametrize("block", [b for b in BLOCKS if not b.language], ids=str)
def test_block_of_commands_is_marked_as_one(block: Block) -> None:
    """An unmarked block is a picture or a text: no test would look at its commands."""
    drawn = any(mark in block.text for mark in "─│▶")
    assert drawn or not any(line.split(" ")[0] in COMMANDS for line in block.text.splitlines()), block.text


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_block_can_be_pasted_into_any_shell(block: Block) -> None:
    """No comment, no pattern outside quotes, nothing that a shell expands in a way of its own."""
    assert block.language == "bash"
    bare = _unquoted(block.text)
    assert not re.search(r"(^|\s)#", bare), "a comment"
    assert not re.search(r"[*?\[\]]", bare), "a pattern outside quotes"
    assert not re.search(r"(^|\s)[=~]", bare), "an expansion that shells differ in"
    assert not re.search(r"^\s*echo\s+\S*[\"']?\$", block.text, re.MULTILINE), (
        "zsh's echo reads backslashes: use printf"
    )
    assert not re.search(r"(^|\s)\$[A-Za-z_]", bare), "a variable outside quotes: bash splits it, zsh does not"


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_blocks_are_grammatical(shell: str) -> None:
    """By the shells themselves."""
    if shutil.which(shell) is None:
        pytest.skip(f"NO {shell}: install it, so that paste blocks are tested in it")
    for block in SHELL:
        done = subprocess.run([shell, "-n"], input=block.text, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), str(block)


def _commands() -> Iterator[tuple[str, list[str]]]:
    for page in PAGES:
        name = page.relative_to(ROOT).as_posix()
        for text in _TABLE_COMMAND.findall(page.read_text("utf-8")):
            yield name, shlex.split(text.replace("\\|", "|"))
    for block in SHELL:
        for line in block.text.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words: list[str] = []
            for word in [*lexer, ";"]:
                if re.fullmatch(r"[;&|()<>]+", word):
                    yield str(block), words
                    words = []
                else:
                    words.append(word)


@cache
def _command() -> Any:
    """The whole command. Typer takes a third of a second to make it."""
    return typer.main.get_command(cli)


NAMED = [
    (where, words) for where, words in _commands() if words and words[0] in ("make", "bonafide", ".venv/bin/bonafide")
]


@pytest.mark.parametrize(
    ("where", "words"), NAMED, ids=lambda value: value if isinstance(value, str) else " ".join(value)
)
def test_command_is_one_that_exists(
    where: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sub-commands and options are the command's, targets the Makefile's; files that a reader brings are made up."""
    monkeypatch.chdir(tmp_path)
    if words[0] == "make":
        assert [word for word in words[1:] if "=" not in word and word not in _TARGETS] == []
        return
    for word in words[1:]:
        if re.fullmatch(r"[\w./-]+", word) and not word.startswith(("-", "/")):
            path = tmp_path / word
            path.parent.mkdir(parents=True, exist_ok=True)
            if word.endswith("/"):
                path.mkdir()
            else:
                path.touch()
    rest = ["7" if word == "N" else word for word in words[1:]]
    command: Any = _command()
    context = None
    while rest and not rest[0].startswith("--install-"):
        name, rest = (rest[0], rest[1:]) if context else ("bonafide", rest)
        command = command.commands[name] if context else command
        context = command.make_context(name, rest, parent=context)
        rest = [*context._protected_args, *context.args] if hasattr(command, "commands") else []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_target_named_in_a_sentence_exists(page: Path) -> None:
    """Also outside blocks and tables; the changelog and the page of old names tell history."""
    if page.name not in ("CHANGELOG.md", "command.md") and page.parent.name != "adr":
        named = set(re.findall(r"`make ([a-z-]+)[^`]*`", page.read_text("utf-8")))
        assert named <= _TARGETS
