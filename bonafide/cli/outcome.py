"""What commands that change policies share: options, the question, and the report of the result."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from bonafide.cli.regions.where import print_where, where_it_holds, where_record
from bonafide.cli.tables import printable
from bonafide.cli.terminal import err, moment, out, print_json
from bonafide.operator.admin_api import AdminProblem
from bonafide.operator.errors import OperatorError
from bonafide.operator.publication import Publication, publication_of
from bonafide.policies.publishing import AppPolicies
from bonafide.regions.holding import Sought

AppOption = Annotated[str, typer.Option("--app", metavar="APP", help="The registered app.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason, for the history and the audit.")]
Now = Annotated[
    bool,
    typer.Option(
        "--now/--next-renewal",
        help="Refuse tokens issued under the older policy at once, or apply the new one at each key's next renewal.",
    ),
]
Rollout = Annotated[
    int, typer.Option("--rollout", metavar="PERCENT", min=1, max=100, help="For how many of the app's keys.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of policy as it is carried out: the clock runs from when it was confirmed."""

    policies: AppPolicies
    verb: str
    members: Mapping[str, object]

    def carry_out(self, *, as_json: bool) -> None:
        """Carry it out and say how it went. Raises :class:`OperatorError`."""
        begin = time.monotonic()
        answer = self.policies.change(self.verb, self.members)
        publication = self._publication(answer, begin) if "published" in answer else None
        holding = () if answer["proposed"] else where_it_holds(self.policies.deployment, sought(answer), since=begin)
        if as_json:
            print_json({**answer, **(publication.to_record() if publication else {}), **where_record(holding)})
            return
        for line in told(answer):
            out().print(line)
        if publication:
            out().print(str(publication))
        print_where(holding)

    def _publication(self, answer: Mapping[str, Any], begin: float) -> Publication:
        again = f"`bonafide token revoke {self.policies.app}` publishes one"
        try:
            return publication_of(self.policies.deployment, answer, since=begin, again=again)
        except OperatorError:
            for line in told(answer):
                err().print(line)
            raise


def sought(answer: Mapping[str, Any]) -> Sought:
    """What every region serves once a change of policies holds there, by the Admin API's answer to it."""
    return Sought(
        app=str(answer["app"]),
        policy_version=int(answer["latest"]),
        not_before=int(answer["tokens_not_before"] or 0),
    )


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless ``yes``. Raises :class:`OperatorError` where no person can answer, and ends the command on a no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise OperatorError("Cannot ask for confirmation without a terminal: add --yes.")
    if not typer.confirm(printable(question)):
        raise OperatorError("Nothing was changed.")


def effect(now: bool) -> str:
    """When it takes effect, in the Admin API's words."""
    return "now" if now else "next-renewal"


def told(answer: Mapping[str, Any]) -> list[str]:
    """What the Admin API's answer to a change means."""
    app, proposed = answer["app"], answer["proposed"]
    if proposed:
        return [
            f"Proposal {proposed['version']} for {app} waits for another person: "
            f"`bonafide policy approve --app {app}`. Nothing has changed yet."
        ]
    lines = [status_sentence(answer)]
    not_before = answer["tokens_not_before"]
    pacing = answer.get("pacing")
    if pacing is not None and not answer["all_at_once"]:
        lines.append(
            f"Tokens issued before {moment(not_before)} are refused: at once those that are named, the others one by "
            f"one until {moment(pacing['until'])}. Apps renew under the new policy."
        )
    elif not_before is not None:
        if pacing is not None:
            lines.append(
                "Not paced: the trust bundle has no room for what is named, or another change of the same second is "
                "not paced."
            )
        lines.append(f"Tokens issued before {moment(not_before)} are refused. Apps renew under the new policy.")
    elif answer["added"] and answer["canary"] is None:
        lines.append(
            "The new policy applies to each key at its next renewal. Current tokens stay valid until they expire."
        )
    return lines


def status_sentence(status: Mapping[str, Any]) -> str:
    """The active version, and one that is rolling out, in a sentence."""
    app, stable, canary = status["app"], status["stable"], status["canary"]
    most = f"Version {stable}" if stable else "The built-in default"
    if canary is None:
        return f"{most} is active for {app}."
    share = f"Version {canary['version']} is rolling out to {canary['rollout']} % of the keys of {app}"
    return f"{share}; {most.lower()} is active for the others."


def say_messages(problem: AdminProblem, names: Mapping[str, str]) -> None:
    """Print what the stack's own linters found, like ``bonafide policy lint`` does."""
    for message in problem.messages:
        if "document" not in message:
            err().print(f"{message.get('at')}: {message.get('text')}")
            continue
        file = names.get(str(message["document"]), str(message["document"]))
        rule = f"{message['rule']}: " if message["rule"] else ""
        text = f"{file}:{message['line']}: {message['severity']}[{message['code']}] {rule}{message['text']}"
        err().print(f"{text}\n    hint: {message['hint']}" if message["hint"] else text)
