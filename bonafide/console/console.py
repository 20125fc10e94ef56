"""The console of one stack: which address does what, and to whom it is answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from bonafide.console.access import Access
from bonafide.console.admin_calls import AdminCalls, Transport, botocore_transport
from bonafide.console.messages import Answer, Refused, Request, json_answer, members_of, text_member
from bonafide.console.origin import HEADER, OwnOrigin
from bonafide.console.page_files import VIEWS, PageFiles, sentence_page
from bonafide.console.replays import Replays
from bonafide.operator.admin_api import local_operator, segment
from bonafide.operator.deployment import Deployment
from bonafide.operator.errors import OperatorError
from bonafide.policies.drafts import MAX_DRAFT_BYTES
from bonafide.replay.spans import seconds_of

API: Final = "/api/"
KEY: Final = "key"
"""The parameter of a printed address that holds its secret."""

_MAX_NAME: Final = 256
_USED: Final = (
    "This address was used already, or it is older than ten minutes. Press Enter where the console runs: it prints a "
    "new one."
)


@dataclass(slots=True, kw_only=True)
class Console:
    """The console of ``deployment``. ``decisions`` is where a local stack records; ``clock`` gives Unix seconds."""

    deployment: Deployment
    origin: OwnOrigin
    access: Access
    pages: PageFiles
    admin: AdminCalls
    replays: Replays
    app: str | None = None
    clock: Callable[[], float] = time.time
    _operator: str = field(default="")

    @classmethod
    def of(
        cls,
        deployment: Deployment,
        *,
        port: int,
        pages: Path,
        decisions: Path,
        app: str | None = None,
        send: Transport | None = None,
    ) -> Console:
        """The console of a deployment on a port of this machine, with no session yet."""
        send = send or botocore_transport(local=deployment.is_local)
        return cls(
            deployment=deployment,
            origin=OwnOrigin(port),
            access=Access(time.monotonic),
            pages=PageFiles.of(pages),
            admin=AdminCalls(deployment, send),
            replays=Replays(deployment, decisions),
            app=app,
        )

    def new_address(self) -> str:
        """An address to open the console at: once, within ten minutes."""
        query = {"app": self.app} if self.app else {}
        return f"{self.origin.url}/now?{urlencode({**query, KEY: self.access.new_secret()})}"

    def end(self) -> None:
        """Stop what is running."""
        self.replays.end()

    def answer(self, request: Request) -> Answer:
        """Answer one request; refusals are answers, too."""
        try:
            self.origin.check_host(request)
            if request.path.startswith(API):
                self.origin.check_call(request)
                self._check_session(request)
                return self._call(request)
            self.origin.check_page(request)
            return self._page(request)
        except Refused as refused:
            return refused.answer()

    # --- Pages --------------------------------------------------------------------------------------------------------

    def _page(self, request: Request) -> Answer:
        if request.path in VIEWS:
            pairs = parse_qsl(request.query, keep_blank_values=True)
            keys = [value for name, value in pairs if name == KEY]
            if keys:
                rest = urlencode([(name, value) for name, value in pairs if name != KEY])
                return self._exchanged(request, keys, f"{request.path}{'?' if rest else ''}{rest}")
        answer = self.pages.answer(request.path)
        if answer is None:
            raise Refused(404, "console-no-such-route", "There is no such page.")
        return answer

    def _exchanged(self, request: Request, keys: list[str], onwards: str) -> Answer:
        """The secret of an address becomes a session; the browser is sent on to the address without it."""
        if request.method != "GET" or any("prefetch" in value for value in request.values("sec-purpose")):
            # A preview of the link must not use it up.
            raise Refused(403, "console-foreign-request", "This address is opened, and not looked at.")
        good = len(keys) == 1 and self.access.spend(keys[0])
        session, more = self._session_of(request), dict[str, str]()
        if not good and not session:
            return sentence_page(403, _USED)
        if not session:
            session = self.access.new_session()
            more = {"Set-Cookie": f"{self._cookie}={session}; HttpOnly; SameSite=Strict; Path=/"}
        elif not good:
            return Answer(303, headers={"Location": onwards})  # an address of the history
        # A fragment is sent to no server: the page takes it out of the address, and keeps it for its own origin.
        return Answer(303, headers={"Location": f"{onwards}#key={self.access.page_key(session)}", **more})

    @property
    def _cookie(self) -> str:
        """With the port: a browser does not tell the cookies of two ports apart, nor two consoles of one machine."""
        return f"bonafide_console_{self.origin.port}"

    def _session_of(self, request: Request) -> str:
        """The session of the request's cookie; empty where there is none."""
        pairs = (pair.strip().partition("=") for line in request.values("cookie") for pair in line.split(";"))
        sessions = (value for name, _, value in pairs if name == self._cookie)
        return next((session for session in sessions if self.access.admits(session)), "")

    def _check_session(self, request: Request) -> None:
        if not self.access.admits_page(self._session_of(request), request.header(HEADER) or ""):
            sentence = "Press Enter where the console runs, and open the address that it prints."
            raise Refused(401, "console-no-session", sentence)

    # --- The API ------------------------------------------------------------------------------------------------------

    def _call(self, request: Request) -> Answer:
        path = request.path.removeprefix(API.rstrip("/"))
        if path.startswith("/admin/"):
            return self.admin.hand_through(request, path)
        match (request.method, *path.split("/")[1:]):
            case "GET", "session":
                return json_answer(self._about())
            case "POST", "lint":
                return json_answer({"messages": self._linted(members_of(request))})
            case "POST", "draft":
                return json_answer(self._drafted(members_of(request)))
            case "POST", "apart":
                return json_answer(self._apart(members_of(request)))
            case "POST", "replay":
                return json_answer({"job": self._replay(members_of(request))}, 202)
            case "GET", "replay", job:
                return json_answer(self.replays.job(job).to_record())
            case "POST", "replay", job, "cancel":
                self.replays.cancel(job)
                return json_answer(self.replays.job(job).to_record())
        raise Refused(404, "console-no-such-route", "The console's API has no such address, or no such method there.")

    def _about(self) -> dict[str, Any]:
        names = self._apps()
        return {
            "stack": self.deployment.stack_name,
            "region": self.deployment.region or "",
            "local": self.deployment.is_local,
            "operator": self._who(),
            "apps": sorted(names),
            "now": self.clock(),
            "clock_offset": self.admin.clock_offset,
        }

    def _apps(self) -> list[str]:
        """The names of the apps; where IAM lets this operator read one app alone, and so no list of them, the one that
        the console was started for."""
        try:
            apps = self.admin.members("/admin/apps").get("apps")
        except Refused as refused:
            if refused.status != 403 or not self.app:
                raise
            return [self.app]
        return [one["app"] for one in apps if isinstance(one, dict) and "app" in one] if isinstance(apps, list) else []

    def _who(self) -> str:
        if not self._operator:
            try:
                self._operator = local_operator() if self.deployment.is_local else self.deployment.operator()
            except OperatorError as error:
                raise Refused(503, "console-no-credentials", str(error)) from error
        return self._operator

    def _linted(self, members: dict[str, Any]) -> list[dict[str, Any]]:
        from attestation.appraisal.lint.lint import lint_appraisal
        from service.policies.client_policy_lint import lint_client

        text_member(members, "app", most=_MAX_NAME, default="")
        found = [("appraisal", one) for one in lint_appraisal(_document(members, "appraisal"), now=self.clock())]
        if members.get("client"):
            found += [("client", one) for one in lint_client(_document(members, "client"), now=self.clock())]
        return [{"document": document, "column": 1, **one._asdict()} for document, one in found]

    def _drafted(self, members: dict[str, Any]) -> dict[str, Any]:
        from attestation.appraisal.cedar.rules import PolicyInvalid
        from attestation.appraisal.result import Tier

        from bonafide.policies.drafted_rule import CannotDraft, draft_rule

        app, facts = text_member(members, "app", most=_MAX_NAME), _facts(members)
        tiers = {tier.value: tier for tier in (Tier.CONTRAINDICATED, Tier.WARNING)}
        tier = tiers.get(text_member(members, "outcome", most=32, default=Tier.CONTRAINDICATED.value))
        if tier is None:
            raise Refused(400, "console-malformed-request", f"The outcome is one of {', '.join(tiers)}.")
        advice = text_member(members, "advice", most=64) if members.get("advice") is not None else None
        appraisal = self._active_policy(app)
        try:
            drafted = draft_rule(appraisal, facts, now=self.clock(), tier=tier, advice=advice)
        except (CannotDraft, PolicyInvalid) as error:
            raise Refused(422, "console-cannot-draft", str(error)) from error
        return {
            "appraisal": drafted.appraisal,
            "rule": drafted.rule,
            "text": drafted.text,
            "notes": list(drafted.notes),
        }

    def _active_policy(self, app: str) -> str:
        """The policy that judges most keys of the app: not one that is rolling out."""
        policies = f"/admin/policies/{segment(app)}"
        stable = int(self.admin.members(policies)["stable"])
        return str(self.admin.members(f"{policies}/versions/{stable}")["appraisal"])

    def _replay(self, members: dict[str, Any]) -> str:
        app, appraisal = text_member(members, "app", most=_MAX_NAME), _document(members, "appraisal")
        return self.replays.begin(app=app, appraisal=appraisal, since=self._since(members))

    def _apart(self, members: dict[str, Any]) -> dict[str, Any]:
        app, facts = text_member(members, "app", most=_MAX_NAME), _facts(members)
        return self.replays.apart(app=app, facts=facts, since=self._since(members))

    def _since(self, members: dict[str, Any]) -> float:
        seconds = seconds_of(text_member(members, "since", most=16, default="15m"))
        if seconds is None:
            raise Refused(400, "console-malformed-request", "The member since is a span, as in 15m, 24h or 7d.")
        return self.clock() - seconds


def _facts(members: dict[str, Any]) -> dict[str, str]:
    facts = members.get("facts")
    if not isinstance(facts, dict) or not all(isinstance(value, str) for value in facts.values()):
        raise Refused(400, "console-malformed-request", "The member facts is no object of texts.")
    return facts


def _document(members: dict[str, Any], name: str) -> str:
    return text_member(members, name, most=MAX_DRAFT_BYTES)
