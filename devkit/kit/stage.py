"""What a scenario plays on: the world, the client under test, and expectations that become findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from devkit.kit.judge import Judge
from devkit.kit.mock.exchange import Answer, Exchange, Route
from devkit.kit.mock.verifier import MockVerifier
from devkit.kit.mock.world import World
from devkit.kit.programs import BrokenProtocol, TestProgram
from devkit.kit.rules import Rule

Said = Mapping[str, Any]
"""An answer of the test program, or one of its ``answers``."""

PATH: Final = "/v1/orders"
_WAITING: Final = frozenset({"unavailable", "offline", "refused", "unknown-outcome"})


@dataclass
class Stage:
    """A scenario under way. Every command goes through here, so that the judge knows of it."""

    world: World
    verifier: MockVerifier
    judge: Judge
    program: TestProgram
    config: Mapping[str, Any]
    marks: dict[str, int] = field(default_factory=dict)

    def command(self, do: str, *, callers: int = 1, **members: object) -> Said:
        """One command. Raises :class:`BrokenProtocol`."""
        self.judge.command(callers)
        answer = self.program.command({"do": do, **members})
        if answer.get("unsupported"):
            raise BrokenProtocol(f"The program does not know the command {do!r}.")
        return answer

    def requests(
        self, method: str = "GET", path: str = PATH, body: str | None = None, *, count: int = 1, **more: object
    ) -> list[Said]:
        """Calls of the guarded API, ``count`` at once."""
        answer = self.command("request", callers=count, method=method, path=path, body=body, count=count, **more)
        answers = answer.get("answers")
        if not isinstance(answers, list) or len(answers) != count or not all(isinstance(one, dict) for one in answers):
            raise BrokenProtocol(f"request: {count} answers are needed, each an object.")
        return answers

    def request(self, method: str = "GET", path: str = PATH, body: str | None = None, **more: object) -> Said:
        """One call of the guarded API."""
        return self.requests(method, path, body, count=1, **more)[0]

    def served(self, method: str = "GET", path: str = PATH, body: str | None = None, **more: object) -> Said:
        """One call that must be answered with 200."""
        since = self.mark()
        answer = self.request(method, path, body, **more)
        came = any(
            each.answer is not None and each.answer.status == 200 for each in self.sent(Route.GUARDED, since=since)
        )
        if answer.get("status") != 200 or not came:
            how = told(answer) if came else f"{told(answer)}, and no such request came"
            self.world.find(Rule.ANSWERED, f"{method} {path[-60:]} was not served: {how}.")
        return answer

    def served_within(self, seconds: float, rule: Rule = Rule.COMES_BACK, *, step: float = 30.0) -> None:
        """Call again and again, after the time that each error names, until a call is served."""
        until = self.world.now + seconds
        while True:
            answer = self.request()
            if answer.get("status") == 200:
                return
            waits = self.wait_named(answer, step)
            if self.world.now + waits > until:
                self.world.find(rule, f"Not served within {seconds:.0f} s: {told(answer)}.")
                return
            self.advance(waits)

    def wait_named(self, answer: Said, otherwise: float) -> float:
        """The seconds that an error names; a finding where they are no number or too many."""
        after = error_of(answer).get("retry_after")
        if after is None:
            return otherwise
        if not isinstance(after, int | float) or isinstance(after, bool) or not 0 <= after <= 7200:
            self.world.find(Rule.ERROR_SHOWN, f"retry_after is {after!r}.")
            return otherwise
        return float(after) + 0.05

    def shows(self, answer: Said, code: str, action: str = "", fault: str = "", support_code: str = "") -> None:
        """The app must get this error."""
        error = error_of(answer)
        wanted = {"code": code, "action": action, "fault": fault, "support_code": support_code}
        wrong = {name: error.get(name) for name, value in wanted.items() if value and error.get(name) != value}
        if wrong:
            expected = {name: value for name, value in wanted.items() if value}
            self.world.find(Rule.ERROR_SHOWN, f"{told(answer)} instead of {expected}.")

    def expect(self, holds: bool, rule: Rule, detail: str) -> None:
        """A finding unless ``holds``."""
        if not holds:
            self.world.find(rule, detail)

    def advance(self, seconds: float) -> None:
        """Let virtual time go by."""
        self.command("advance", seconds=seconds)
        self.world.now += seconds

    def restart(self) -> None:
        """The app starts again."""
        self.command("restart")
        self.judge.restarted()

    def lose_key(self) -> None:
        """The attested key is gone."""
        self.command("lose-key")
        self.judge.key_lost()
        self.world.excused = "the key was lost"

    def policy(self) -> Said:
        """What the client enforces."""
        return self.command("policy")

    def policy_is(self, version: int, rule: Rule) -> Said:
        """The client must enforce this version."""
        said = self.policy()
        self.expect(said.get("version") == version, rule, f"Version {said.get('version')} is enforced, not {version}.")
        return said

    def mark(self) -> int:
        """A place in the log."""
        return len(self.world.log)

    def sent(self, *routes: Route, since: int = 0) -> list[Exchange]:
        return self.world.sent(*routes, since=since)

    def count(self, *routes: Route, since: int = 0) -> int:
        """How many requests of these routes came."""
        return len(self.sent(*routes, since=since))

    def poison(self) -> Answer:
        """An answer with a challenge that no client may use."""
        text = self.verifier.challenge()
        self.judge.poisoned.add(text)
        return Answer(201, f'{{"challenge":"{text}","expires_in":300}}'.encode(), {"Content-Type": "application/json"})


def error_of(answer: Said) -> Mapping[str, Any]:
    """The error of an answer; empty where there is none."""
    error = answer.get("error")
    return error if isinstance(error, Mapping) else {}


def told(answer: Said) -> str:
    """An answer in a few words."""
    error = error_of(answer)
    if error:
        return f"{error.get('code')}, {error.get('fault')}, {error.get('action')}"
    return str(answer.get("status", "no answer"))


Play = Callable[[Stage], None]
