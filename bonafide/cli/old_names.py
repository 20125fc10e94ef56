"""Names that commands and options had in the release before: they still work, and each says its new name once."""

from __future__ import annotations

from typing import Final

OLD_COMMANDS: Final = {
    ("api", "mode"): ("route", "set"),
    ("api", "list"): ("route", "list"),
    ("api", "show"): ("route", "show"),
    ("api", "report"): ("route", "report"),
    ("api",): ("route",),
    ("app", "not-before"): ("token", "show"),
    ("key",): ("device-key",),
    ("keys",): ("signing-key",),
    ("policy", "starter"): ("policy", "init"),
}
"""What was typed → what is meant, the longer names first. ``app not-before --now`` is ``token revoke``."""

OLD_OPTIONS: Final = {"--why": "--reason"}
"""The same for options, of every command."""


def current(words: list[str]) -> tuple[list[str], list[str]]:
    """A command line with today's names, and a sentence for each old one in it."""
    words, said = list(words), []
    for old, new in OLD_COMMANDS.items():
        if tuple(words[: len(old)]) == old:
            words[: len(old)] = new
            if old == ("app", "not-before") and "--now" in words:
                words.remove("--now")
                words[: len(new)] = new = ("token", "revoke")
                old = (*old, "--now")
            said.append(_sentence(" ".join(old), " ".join(new)))
            break
    end = words.index("--") if "--" in words else len(words)
    for place, word in enumerate(words[:end]):
        name, equals, value = word.partition("=")
        if name in OLD_OPTIONS:
            words[place] = f"{OLD_OPTIONS[name]}{equals}{value}"
            said.append(_sentence(name, OLD_OPTIONS[name]))
    return words, said


def _sentence(old: str, new: str) -> str:
    return f"`{old}` is now `{new}`. The old name will go with the next release."
