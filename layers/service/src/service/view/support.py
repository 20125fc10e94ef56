"""GET /admin/support/{code}: what was decided under a support code, why, and what the client was told."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from service.admin.problems import AdminRefusal
from service.edge.gateway import RequestModel
from service.edge.problems import MALFORMED_REQUEST
from service.policies.store import Policies
from service.support.decision_of_code import Told, plain_code
from service.support.rule_text import RuleSource, built_in_policy, rules_in
from service.support.told_client import told_client
from service.view.stack import ViewCall

SPAN: Final = 7 * 86_400
"""Seconds back that are looked through where no beginning is named."""

LONGEST: Final = 400 * 86_400


class SupportQuery(RequestModel):
    """GET /admin/support/{code}. ``since`` is how far back to look, Unix seconds."""

    code: Annotated[str, Field(min_length=1, max_length=40)]
    since: Annotated[int, Field(ge=1, le=1 << 40, strict=False)] | None = None


def look_up_support_code(request: SupportQuery, call: ViewCall) -> dict[str, object]:
    """The decisions under a code, newest first, each with its rules as the policy that judged wrote them."""
    code = plain_code(request.code)
    if code is None:
        raise _bad("code", "A support code is eight letters and digits, as in 7K2M9QXA.")
    until = int(call.now) + 1
    since = until - SPAN if request.since is None else request.since
    if not until - LONGEST <= since < until:
        raise _bad("since", f"It lies in the future, or more than {LONGEST // 86_400} days back.")
    logs = call.stack.decision_logs
    search = logs.search(code, since=since, until=until)
    texts = PolicyTexts(call.stack.policies)
    return {
        "code": code,
        "decisions": [_record(told, texts.rules_of(told)) for told in search.found],
        "searched": {
            "since": search.since,
            "until": search.until,
            "complete": search.complete,
            "log_groups": list(logs.groups),
        },
    }


class PolicyTexts:
    """The policies of one answer's decisions, each read once."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self._texts: dict[tuple[str, int], str] = {}

    def rules_of(self, told: Told) -> list[RuleSource]:
        """The rules that a decision names, as their version has them; none where it names none, or that version is not
        there. Raises :class:`~service.errors.Unavailable`."""
        app, version = told.text("app"), told.line.get("policy_version")
        if not told.rules or not isinstance(version, int):
            return []
        if (app, version) not in self._texts:
            stored = self._policies.find(app, version) if version > 0 else None
            self._texts[app, version] = built_in_policy() if not version else "" if stored is None else stored.appraisal
        return rules_in(self._texts[app, version], told.rules)


def _record(told: Told, rules: list[RuleSource]) -> dict[str, object]:
    return {
        **told.to_record(),
        "rules": [rule.to_record() for rule in rules],
        "told": told_client(told.line, rules),
    }


def _bad(member: str, sentence: str) -> AdminRefusal:
    return AdminRefusal(
        MALFORMED_REQUEST, "The request is not of the documented form.", [{"at": member, "text": sentence}]
    )
