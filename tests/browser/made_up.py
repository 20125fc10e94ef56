"""A stack whose answers are made up: what devices say in them is hostile, in every text that a device can send."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from attestation.appraisal.cedar.engine import default_policy
from attestation.appraisal.incident_rule import incident_rule

from bonafide.console.admin_calls import RawAnswer

INJECTIONS = (
    '<img src=x onerror="window.pwned=1">',
    "<script>window.pwned=1</script>",
    '"><svg/onload=window.pwned=1>',
    "javascript:window.pwned=1",
    "</td></table><iframe srcdoc='<script>top.pwned=1</script>'>",
    "{{constructor.constructor('window.pwned=1')()}}",
    "`${window.pwned=1}`",
    "'-(window.pwned=1)-'",
    "<a href=javascript:window.pwned=1 autofocus onfocus=window.pwned=1>",
    "\u202e<b onclick=window.pwned=1>",
)
"""Markup and script by the ways that a page could run it."""

KEY = "k" * 43
INCIDENT = "key-farm-0123456789abcdef0123"
CODE = "7K2M9QXA"
SOURCES = ("enrol", "renew", "signal", "secret", "authorize", "challenge", "beacon")


@dataclass
class MadeUpStack:
    """Takes the place of the network. ``text`` stands wherever a device's word is shown."""

    text: str = INJECTIONS[0]
    failure: Exception | None = None
    refusal: RawAnswer | None = None
    empty: bool = False
    changes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    version: int = 2

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> RawAnswer:
        assert headers["Authorization"].startswith("AWS4-HMAC-SHA256")
        if self.failure is not None:
            raise self.failure
        if self.refusal is not None:
            return self.refusal
        parts = urlsplit(url)
        value = self._answer(method, parts.path, parse_qs(parts.query), json.loads(body) if body else {})
        status = 200 if value is not None else 404
        kind = "application/json" if value is not None else "application/problem+json"
        problem = {"type": "/problems/no-such-route", "title": "There is no such route.", "status": 404}
        content = json.dumps(problem if value is None else value).encode()
        return RawAnswer(status, {"Content-Type": kind}, content)

    def _answer(self, method: str, path: str, query: Mapping[str, list[str]], body: dict[str, Any]) -> Any:
        if method != "GET":
            self.changes.append((path, body))
            self.version += 1
            return {**self._policies(), "added": self._version(), "proposed": None, "warnings": []}
        match path.removeprefix("/admin/").split("/"):
            case ["apps"]:
                return {"apps": [{"app": "demo"}, {"app": "bank"}]}
            case ["apps", _, "view"]:
                return self._view(query)
            case ["apps", _, "view", "causes"]:
                return self._causes(query)
            case ["apps", _, "view", "funnel"]:
                return self._funnel()
            case ["apps", _, "incidents"]:
                return {"incidents": [] if self.empty else [self._incident()], "next": None}
            case ["apps", _, "incidents", _]:
                return self._incident()
            case ["apps", _, "timeline"]:
                return self._timeline()
            case ["keys", key]:
                return self._key(key)
            case ["support", code]:
                return self._support(code)
            case ["policies", _]:
                return self._policies()
            case ["policies", _, "history"]:
                return {"app": "demo", "versions": [self._version()]}
            case ["policies", _, "versions", _]:
                return {**self._version(), "appraisal": default_policy().text, "client": ""}
        return None

    def _view(self, query: Mapping[str, list[str]]) -> Any:
        until = float(query.get("until", [str(time.time())])[0])
        since = float(query.get("since", [str(until - 900)])[0])
        at = list(range(int(since) // 2 * 2, int(until), 2))[-450:]
        names = {"challenge": ("issued",), "beacon": ("reported",)}
        outcomes = {source: names.get(source, ("accepted", "refused", "unavailable")) for source in SOURCES}
        zeros = {source: {one: [(n * 7) % 5 for n in range(len(at))] for one in outcomes[source]} for source in SOURCES}
        series = {} if self.empty else zeros
        shares: dict[str, Any] = {} if self.empty else {"enrol": 0.12, "renew": 0.01, "authorize": 0.02}
        return {
            "app": "demo",
            "since": at[0],
            "until": until,
            "step": 2,
            "at": at,
            "series": series,
            "totals": {source: {one: sum(values) for one, values in by.items()} for source, by in series.items()},
            "refused_share": {**shares, "before": shares},
            "unique_keys": {} if self.empty else {"enrol": {"refused": {"estimate": 12, "error": 0.0325}}},
            "unrecorded": {"enrol": 3},
            "gate": None if self.empty else {"bundle_versions": [3, 4], "bundle_age": 2.5, "published_version": 4},
            "vendors": [
                {"name": "apple", "state": "ok", "age": None, "detail": ""},
                {"name": "huawei", "state": "failing", "age": 4000, "detail": self.text},
            ],
            "incident": None
            if self.empty
            else {"id": INCIDENT, "title": self.text, "at": time.time() - 380, "detector": "key-farm"},
            "data_until": until,
            "delay": 1.5,
            "them_or_us": {"verdict": "them", "because": [f"Refusals of {self.text} rise.", "Vendors answer."]},
        }

    def _causes(self, query: Mapping[str, list[str]]) -> Any:
        by = query.get("by", ["why"])[0].split(",")
        known = {"why": "rule:signal-other", "platform": "ios", "country": "DE", "source": "enrol"}
        plain = {name: known.get(name, self.text) for name in by}
        rows = [
            {
                "source": source,
                "outcome": outcome,
                "facts": facts,
                "count": 812,
                "before": before,
                "change": 800 - before,
            }
            for source, outcome, facts, before in (
                ("enrol", "refused", {**plain, "why": "rule:signal-root"}, 0),
                ("renew", "accepted", plain, 7),
                ("beacon", "reported", {**plain, "why": "other"}, 1),
                ("authorize", "refused", {**plain, "why": "token-expired"}, 12),
            )
        ]
        marked = [{**row, "first_seen": time.time() - 60, "new": index == 0} for index, row in enumerate(rows)]
        return {
            "rows": [] if self.empty else marked,
            "not_shown": {"rows": 1, "count": 2, "before": 0},
            "remainder": 5,
            "first_seen_since": time.time() - 86_400,
            "compared_with": {"since": time.time() - 1800, "until": time.time() - 900},
        }

    def _funnel(self) -> Any:
        names = ("challenge", "evidence", "verified", "accepted", "used", "renewed")
        steps = [
            {
                "step": name,
                "count": 0 if self.empty else 1000 - 30 * n,
                "share": None if self.empty else 1 - 0.03 * n,
                "of": "attempts" if n < 4 else "devices",
                "error": 0 if n < 4 else 0.0325,
            }
            for n, name in enumerate(names)
        ]
        facts = {"platform": "android", "model": self.text, "os": self.text, "build": self.text}
        losses = [
            {"after": "challenge", "cause": cause, "kind": kind, "count": 40, "share": 0.04, "facts": facts}
            for cause, kind in (("key-generation-failed", "reported"), ("unexplained", "unexplained"))
        ]
        return {
            "steps": steps,
            "losses": [] if self.empty else losses,
            "not_shown": {"rows": 0, "count": 0},
            "unexplained": {"count": 20, "share": 0.02},
            "excess": 0,
            "data_until": time.time(),
        }

    def _timeline(self) -> Any:
        entries = [
            {
                "at": time.time() - 100 * n,
                "kind": kind,
                "title": "t",
                "who": "ann",
                "reason": self.text,
                "subject": self.text,
            }
            for n, kind in enumerate(("policy", "rollout", "block", "not-before", "build", "route"), start=1)
        ]
        return {"entries": [] if self.empty else entries, "before": None, "complete": True}

    def _incident(self) -> Any:
        closed = next((body for path, body in self.changes if path.endswith("/close")), None)
        return {
            "id": INCIDENT,
            "app": "demo",
            "state": "open" if closed is None else "closed",
            "detector": "key-farm",
            "title": f"One device serves 41 installs of {self.text}",
            "scope": "key",
            "since": time.time() - 400,
            "last": time.time() - 20,
            "opened_at": time.time() - 380,
            "ended_at": None if closed is None else time.time(),
            "closed": None if closed is None else {"by": "ann", "reason": closed["reason"], "at": time.time()},
            "counts": {"keys": 41, "installs": 38},
            "keys": [KEY, self.text],
            "named": {"model": self.text, "country": "DE"},
            "confidence": 0.93,
            "because": [f"41 keys behind one certificate, all of {self.text}"],
            "remedy": {
                "kind": "rule",
                "text": f"Refuse the keys of {self.text}",
                "rule": incident_rule("key-farm", warns=False),
                "command": "bonafide policy replay draft --since 1h --app demo",
            },
            "own_signer_share": 0.5,
        }

    def _key(self, key: str) -> Any:
        return {
            "key_id": key,
            "app": "demo",
            "state": "blocked",
            "enrolled_at": time.time() - 1000,
            "last_seen": time.time() - 10,
            "expires_at": time.time() + 1000,
            "blocked_at": time.time() - 5,
            "blocked_until": None,
            "reason": self.text,
            "blocked_by": self.text,
        }

    def _support(self, code: str) -> Any:
        decision = {
            "message": "decision",
            "action": "enrol",
            "outcome": "refused",
            "reason": "appraisal-contraindicated",
            "detail": self.text,
            "app": "demo",
            "key_id": KEY,
            "platform": "android",
            "app_build": self.text,
            "os": self.text,
            "model": self.text,
            "country": self.text,
            "findings": [self.text],
            "facts": {"claims": {"findings": [self.text]}, "context": {"signals": {"other": [self.text]}}},
        }
        rule = {"rule": "signal-root", "line": 3, "advice": "reinstall-app", "text": f"// {self.text}"}
        told = {"status": 403, "slug": "evidence-rejected", "title": "No.", "retry": "never", "advice": ["update-app"]}
        return {
            "code": code,
            "decisions": [
                {"at": time.time() - 9, "log": "enrol.log", "decision": decision, "rules": [rule], "told": told}
            ],
            "searched": {"since": time.time() - 86_400, "until": time.time(), "complete": True},
        }

    def _policies(self) -> Any:
        return {
            "app": "demo",
            "latest": self.version,
            "stable": self.version,
            "previous": self.version - 1,
            "canary": None,
            "proposal": None,
            "approval": "off",
        }

    def _version(self) -> Any:
        return {
            "version": self.version,
            "why": self.text,
            "by": f"arn:aws:iam::000000000000:user/{self.text}",
            "at": time.time() - 500,
            "effect": "now",
            "rollout": 100,
            "based_on": 1,
            "restores": None,
            "promotes": None,
            "approved_by": "",
        }
