"""The console's pages in Chromium, over made-up answers: hostile texts, failures in words, accessibility."""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

import pytest
from attestation.appraisal.incident_rule import incident_rule
from botocore.exceptions import EndpointConnectionError

from bonafide.console.admin_calls import RawAnswer
from bonafide.operator.layout import Layout
from tests.browser.conftest import MadeUpConsole, Seen
from tests.browser.made_up import CODE, INCIDENT, INJECTIONS, KEY

pytestmark = pytest.mark.long

AXE = Layout.of_this_project().packages / "console-pages" / "node_modules" / "axe-core" / "axe.min.js"
CAUSE = f"/policies?app=demo&draft=new&facts={quote(json.dumps({'model': INJECTIONS[0], 'os': INJECTIONS[1]}))}"
VIEWS = {
    "now": ("/now?app=demo", "Vendors"),
    "causes": ("/causes?app=demo&by=why,model,build", "Compared with"),
    "causes by os": ("/causes?app=demo&by=os,country,route", "Compared with"),
    "funnel": ("/funnel?app=demo", "unexplained"),
    "funnel by model": ("/funnel?app=demo&by=model,os", "unexplained"),
    "map": ("/map?app=demo", "Germany"),
    "timeline": ("/timeline?app=demo", "ann"),
    "key": (f"/keys?app=demo&look={KEY}", "blocked"),
    "support code": (f"/keys?app=demo&look={CODE}", "Facts that were judged"),
    "policies": ("/policies?app=demo", "Versions"),
    "draft": ("/policies?app=demo&draft=2", "The linter has nothing to say"),
    "cause": (CAUSE, "cannot be compared"),
    "incidents": ("/incidents?app=demo&state=all", "93.0 %"),
    "incident": (f"/incidents?app=demo&incident={INCIDENT}", "What to do"),
    "incident's draft": (f"/policies?app=demo&draft=new&incident={INCIDENT}", "The linter has nothing to say"),
}


def shown(page: Any, text: str) -> None:
    """Wait until the page says so."""
    page.get_by_text(text, exact=False).first.wait_for(state="attached")


def check_calm(page: Any, seen: Seen) -> None:
    """Nothing was executed, nothing went wrong, nothing was asked elsewhere."""
    assert page.evaluate("window.pwned") is None
    assert seen.elsewhere == []
    assert seen.errors == []


def visit(made_up: MadeUpConsole, text: str) -> int:
    """Have a text in every device's place, and look at every page; on how many it is to be read."""
    made_up.stack.text, told = text, 0
    # A mark that turns the reading direction is written out, or left as it is in a box of its own.
    forms = (text[:60], text.replace("\u202e", "\\u{202e}")[:60])
    with made_up.page() as (page, seen):
        for path, sign in VIEWS.values():
            page.goto(f"{made_up.console.origin.url}{path}")
            shown(page, sign)
            body = page.inner_text("body")
            told += any(form in body for form in forms)
            check_calm(page, seen)
        assert len(seen.requests) > 3 * len(VIEWS)
    return told


def test_markup_and_script_of_devices_is_text(made_up: MadeUpConsole) -> None:
    """Every kind of it in every text that a device can send, on every page: 0 executed, and shown as it is."""
    assert visit(made_up, " ".join(INJECTIONS)) >= 7


@pytest.mark.exhaustive
@pytest.mark.parametrize("text", INJECTIONS)
def test_each_kind_of_markup_is_text(made_up: MadeUpConsole, text: str) -> None:
    """The same for one at a time: none hides behind what another broke."""
    assert visit(made_up, text) >= 7


AXE_RUNS = {"light": "{}", "dark": "{runOnly: ['color-contrast', 'link-in-text-block']}"}
"""Both themes differ in their colours alone; `make test-exhaustive` asks everything of both."""


def faults(made_up: MadeUpConsole, runs: dict[str, str]) -> list[str]:
    """What axe-core finds serious or critical, on every page in each theme."""
    made_up.stack.text, found = "Pixel 9", list[str]()
    # The test alone may add a script: in the operator's browser the content security policy stands.
    with made_up.page(bypass_csp=True) as (page, _):
        for name, (path, sign) in {**VIEWS, "dialog": VIEWS["policies"]}.items():
            page.goto(f"{made_up.console.origin.url}{path}")
            shown(page, sign)
            if name == "dialog":
                page.get_by_role("button", name="Roll back…").click()
                page.get_by_role("dialog").wait_for()
            page.evaluate(AXE.read_text("utf-8"))
            for scheme, options in runs.items():
                page.emulate_media(color_scheme=scheme)
                page.locator("html[data-theme=auto]").wait_for(state="attached")
                result = page.evaluate(f"axe.run(document, {options})")
                found += [
                    f"{name}, {scheme}: {one['id']} ({one['impact']}) at {node['target']}"
                    for one in result["violations"]
                    if one["impact"] in ("serious", "critical")
                    for node in one["nodes"]
                ]
    return found


def test_pages_are_accessible(made_up: MadeUpConsole) -> None:
    """Nothing serious, nothing critical."""
    assert faults(made_up, AXE_RUNS) == []


@pytest.mark.exhaustive
def test_pages_are_accessible_in_both_themes(made_up: MadeUpConsole) -> None:
    """With every rule in each."""
    assert faults(made_up, dict.fromkeys(AXE_RUNS, "{}")) == []


def test_nothing_is_wider_than_the_window(made_up: MadeUpConsole) -> None:
    """Wide tables scroll in a box of their own."""
    made_up.stack.text = "W" * 90
    with made_up.page() as (page, _):
        for name, (path, sign) in VIEWS.items():
            page.goto(f"{made_up.console.origin.url}{path}")
            shown(page, sign)
            for width in (1280, 390):
                page.set_viewport_size({"width": width, "height": 800})
                assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)


EXPIRED = b'{"type": "/problems/signature-invalid", "detail": "Signature expired: a is now earlier than b"}'
TOKEN = b'{"detail": "The security token included in the request is expired"}'


def refusal(body: bytes, **headers: str) -> RawAnswer:
    return RawAnswer(403, {"Content-Type": "application/problem+json", **headers}, body)


FAILURES: dict[str, tuple[dict[str, Any], str]] = {
    "stack gone": ({"failure": EndpointConnectionError(endpoint_url="http://127.0.0.1:9")}, "local stack has ended"),
    "clock wrong": ({"refusal": refusal(EXPIRED, Date=formatdate(4e9))}, "clock is"),
    "no credentials": ({"refusal": refusal(TOKEN)}, "credentials have expired"),
}


@pytest.mark.parametrize(
    ("failure", "first"), [*((name, True) for name in FAILURES), ("stack gone", False), ("clock wrong", False)]
)
def test_failure_is_said_on_the_page(made_up: MadeUpConsole, failure: str, first: bool) -> None:
    """In words, at the start and in the middle; and when it is mended, the page goes on by itself."""
    wrong, said = FAILURES[failure]
    with made_up.page() as (page, seen):
        if first:
            break_it(made_up, wrong)
            page.reload()
        else:
            shown(page, "Vendors")
            break_it(made_up, wrong)
        page.get_by_role("alert").filter(has_text=said).first.wait_for()
        made_up.stack.failure = made_up.stack.refusal = None
        shown(page, "Vendors")
        page.get_by_role("alert").first.wait_for(state="detached")
        assert seen.elsewhere == []


def break_it(made_up: MadeUpConsole, wrong: dict[str, Any]) -> None:
    for name, value in wrong.items():
        setattr(made_up.stack, name, value)


def test_empty_stack_is_said_in_words(made_up: MadeUpConsole) -> None:
    """Nothing counted is not an error, and no empty box either."""
    made_up.stack.empty = True
    with made_up.page() as (page, seen):
        for path in ("/now", "/causes", "/funnel", "/map", "/timeline", "/incidents"):
            page.goto(f"{made_up.console.origin.url}{path}?app=demo")
            page.locator(".empty:not([aria-busy])").first.wait_for()
        check_calm(page, seen)


def test_incident_is_followed_from_its_badge_to_its_rule_and_its_end(made_up: MadeUpConsole) -> None:
    """By keyboard: what it is, the drafted rule in the editor without an objection, and closing it with a reason."""
    made_up.stack.text = "Pixel 9"
    with made_up.page() as (page, seen):
        page.goto(f"{made_up.console.origin.url}/now?app=demo")
        page.get_by_role("link", name="Incidents 1 open").wait_for()
        page.get_by_label("Incidents in this window").get_by_role("link", name="I1").wait_for()
        page.keyboard.press("8")
        page.get_by_role("link", name="One device serves 41 installs of Pixel 9").first.press("Enter")
        shown(page, "41 keys behind one certificate")
        page.get_by_role("link", name="Draft this rule").press("Enter")
        shown(page, "The linter has nothing to say")
        drafted = page.get_by_label("Appraisal policy, in Cedar").input_value()
        assert drafted.endswith(incident_rule("key-farm", warns=False))
        page.get_by_role("button", name="Publish…").wait_for()
        page.go_back()
        page.get_by_role("button", name="Close the incident…").press("Enter")
        page.get_by_role("dialog").get_by_role("textbox").fill("a lab of our own")
        page.get_by_role("button", name="Close it").press("Enter")
        shown(page, "closed, ")
        shown(page, "a lab of our own")
        check_calm(page, seen)
    assert made_up.stack.changes == [(f"/admin/apps/demo/incidents/{INCIDENT}/close", {"reason": "a lab of our own"})]


def test_session_that_ended_is_said(made_up: MadeUpConsole) -> None:
    """With what to do; the address in the bar keeps no secret."""
    with made_up.page() as (page, seen):
        shown(page, "Vendors")
        assert "key=" not in page.url
        page.context.clear_cookies()
        page.get_by_role("alert").first.wait_for()
        assert "address" in page.get_by_role("alert").first.inner_text()
        assert seen.elsewhere == []
        page.goto(made_up.console.new_address())
        shown(page, "Vendors")
        page.go_back()
        assert "key=" not in page.url
