"""POST /v1/signals: who may report, what a report does, and what it never does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from bonafide_tokens.errors import Reason, Rejected
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.trust_bundle import AppStatus

from devkit.devices.client import PROOF_HEADER, TOKEN_HEADER
from devkit.devices.installation import Installation
from tests.service_stack.events import json_of, rest_event, slug_of
from tests.service_stack.memory_stack import APP, ISSUER, VERIFIER_ORIGIN, MemoryStack

Lines = Callable[[], list[dict[str, Any]]]
PERMIT = "permit (principal, action, resource);\n"
BLOCKING = """@id("hooking-tool")
@block("1h")
@advice("reinstall-app")
forbid (principal, action, resource) when { context.signals has hooking };
"""
URL = VERIFIER_ORIGIN + "/v1/signals"


class Scene:
    """An enrolled installation, its token, and the reports it makes."""

    def __init__(self, stack: MemoryStack, log_lines: Lines) -> None:
        self.stack, self.log_lines = stack, log_lines
        self.device = stack.installation()
        self.token = str(stack.enrol(self.device)["token"])
        self.decision: dict[str, Any] = {}

    def publish(self, appraisal: str) -> None:
        stack = self.stack
        latest = stack.policies.head(APP).latest
        stack.publishing.publish(
            APP, appraisal=PERMIT + appraisal, why="test", expected_version=latest, who="somebody", now=stack.now
        )

    def report(
        self,
        *signals: object,
        sent: bytes | None = None,
        headers: dict[str, str] | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        """One report. ``sent`` is what arrives instead of what was signed; ``changes`` are arguments of the proof."""
        body = json.dumps({"signals": list(signals)}).encode()
        wanted = {"method": "POST", "url": URL, "token": self.token, "content_digest": content_digest(body)} | changes
        device: Installation = wanted.pop("device", self.device)
        proof = {TOKEN_HEADER: self.token, PROOF_HEADER: device.proof(**wanted)}
        return self.deliver(body if sent is None else sent, proof if headers is None else headers)

    def deliver(self, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        self.log_lines()
        event = rest_event("POST", "/v1/signals", body.decode("latin-1"), headers=headers)
        answer = self.stack.handlers["POST", "/v1/signals"](event, None)
        (self.decision,) = [line for line in self.log_lines() if line.get("message") == "decision"]
        return answer

    def renew(self, *signals: str) -> dict[str, Any]:
        data = self.device.client_data(self.stack.challenge(), signals=signals)
        return self.stack.send("POST", "/v1/tokens", self.device.renewal_body(data))

    def unchanged(self) -> bool:
        row = self.stack.attested_keys.rows[self.device.bonafide_key_id]
        return row.noted is None and not row.is_blocked(self.stack.now) and not self.stack.publication.asked


@pytest.fixture
def scene(stack: MemoryStack, log_lines: Lines) -> Scene:
    """A fresh scene."""
    return Scene(stack, log_lines)


def test_report_is_taken_and_says_nothing_of_the_verdict(scene: Scene) -> None:
    """The attack: try signals one by one and learn which of them the policy minds."""
    hostile, harmless = scene.report("hooking"), scene.report("screen-capture")
    assert (hostile["statusCode"], harmless["statusCode"]) == (202, 202)
    assert json_of(hostile) == json_of(harmless) == {"client_policy_version": 0, "advice": []}
    assert hostile["headers"]["Bonafide-Client-Policy-Version"] == "0"


def test_decision_names_what_was_found(scene: Scene) -> None:
    """The operator sees what the app does not, and can replay it."""
    scene.report("hooking")
    decision = scene.decision
    assert (decision["action"], decision["outcome"], decision["tier"]) == ("signal", "accepted", "contraindicated")
    assert (decision["app"], decision["key_id"]) == (APP, scene.device.bonafide_key_id)
    assert decision["facts"]["context"]["event"] == "signal"
    assert "hooking" in decision["facts"]["context"]["signals"]


def test_reported_signal_counts_at_the_next_renewals(scene: Scene) -> None:
    """The attack: the app reports a hook, and the tool keeps it from repeating that when it renews."""
    scene.report("hooking")
    assert scene.renew()["statusCode"] == 403
    scene.stack.now += scene.stack.signal_memory
    scene.stack.rotation.run(now=scene.stack.now)
    assert scene.renew()["statusCode"] == 200


def test_reported_warning_counts_at_the_next_renewals(scene: Scene) -> None:
    """It lowers the tier for as long as signals are remembered, and refuses nothing."""
    scene.publish('@id("watched")\nforbid (principal, action == Action::"affirm", resource)\n'
                  'when { context.signals has "screen-capture" };')  # fmt: skip
    scene.report("screen-capture")
    assert scene.decision["tier"] == "warning"
    scene.log_lines()
    assert scene.renew()["statusCode"] == 200
    (renewal,) = [line for line in scene.log_lines() if line.get("message") == "decision" and line["action"] == "renew"]
    assert (renewal["tier"], renewal["findings"]) == ("warning", ["watched"])


def test_signal_that_the_policy_does_not_mind_is_not_noted(scene: Scene) -> None:
    """Nothing to remember, nothing to write."""
    scene.publish("")
    assert scene.report("hooking")["statusCode"] == 202
    assert scene.unchanged()


def test_block_rule_takes_the_key_out_at_once(scene: Scene) -> None:
    """Renewals are refused from that moment, a publication is asked for, and the bundle names key, rule and end."""
    scene.publish(BLOCKING)
    answer = scene.report({"name": "hooking", "detail": "frida"})
    assert answer["statusCode"] == 202
    assert json_of(answer)["advice"] == ["reinstall-app"]
    stack, key_id = scene.stack, scene.device.bonafide_key_id
    assert stack.publication.asked == [stack.now]
    (row,) = stack.revocations.rows
    assert (row["by"], row["reason"]) == ("policy 1: hooking-tool", "hooking-tool")
    status = stack.rotation.publisher.publish(now=stack.now).apps[APP]
    assert status == AppStatus(0.0, frozenset({key_id}), {key_id: int(stack.now) + 3_600})
    assert slug_of(scene.renew()) == "blocked"


def test_report_after_a_block_is_refused_as_a_renewal_is(scene: Scene) -> None:
    """By the key's own row, before any bundle knows."""
    scene.publish(BLOCKING)
    scene.report("hooking")
    answer = scene.report("hooking")
    assert (answer["statusCode"], slug_of(answer), bool(json_of(answer)["support_code"])) == (403, "blocked", True)
    assert len(scene.stack.publication.asked) == 1


def test_block_that_ended_does_not_begin_again_by_what_is_remembered(scene: Scene) -> None:
    """The note still refuses the renewal; a block takes a signal that is raised anew, and then there is one."""
    scene.publish(BLOCKING)
    scene.report("hooking")
    scene.stack.now += 3_601
    scene.stack.rotation.run(now=scene.stack.now)
    assert slug_of(scene.renew()) == "evidence-rejected"
    assert len(scene.stack.publication.asked) == 1
    assert slug_of(scene.renew("hooking")) == "evidence-rejected"
    assert len(scene.stack.publication.asked) == 2
    assert slug_of(scene.renew()) == "blocked"


def test_renewals_own_signal_blocks_as_a_report_does(scene: Scene) -> None:
    """Where a rule says so; the answer is the refusal that it would have been anyway."""
    scene.publish(BLOCKING)
    assert slug_of(scene.renew("hooking")) == "evidence-rejected"
    assert slug_of(scene.renew()) == "blocked"
    assert scene.stack.publication.asked == [scene.stack.now]


def test_block_that_cannot_be_written_changes_no_refusal(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    """A renewal is refused and the loss counted; a report asks to be sent again."""
    scene.publish(BLOCKING)
    scene.stack.blocking.down = True
    assert scene.report("hooking")["statusCode"] == 503
    capsys.readouterr()
    assert slug_of(scene.renew("hooking")) == "evidence-rejected"
    assert "BlockLost" in capsys.readouterr().out


def test_two_reports_at_the_same_moment_are_both_noted(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The failure: the second finds the key changed, and what it reported is forgotten."""
    keys = scene.stack.attested_keys
    find = keys.find
    late: list[object] = []

    def find_before_the_other(key_id: str) -> Any:
        found = find(key_id)
        if not late:
            late.append(found)
            scene.report("debugger")
        return found

    monkeypatch.setattr(keys, "find", find_before_the_other)
    scene.report("hooking")
    noted = keys.rows[scene.device.bonafide_key_id].noted
    assert noted is not None
    assert set(noted.signals) == {"hooking", "debugger"}


def forged(scene: Scene) -> str:
    return f"{scene.token.rpartition('.')[0]}.{'A' * 86}"


def remedy(answer: dict[str, Any]) -> object:
    """What a 401 says to do: in the body too, as API Gateway renames the header of a function's answer."""
    problem = json_of(answer)
    told = f'error_description="{problem["detail"]}", action="{problem["action"]}"'
    return told in answer["headers"]["WWW-Authenticate"] and problem["action"]


Act = Callable[[Scene], dict[str, Any]]
ATTACKS: list[tuple[str, Act, int, str]] = [
    ("no token", lambda s: s.deliver(b'{"signals":["hooking"]}', {}), 401, "token-missing"),
    ("token without proof", lambda s: s.report("hooking", headers={TOKEN_HEADER: s.token}), 401, "proof-missing"),
    ("thief's own key", lambda s: s.report("hooking", device=s.stack.installation()), 401, "proof-key"),
    ("body unsigned", lambda s: s.report("hooking", content_digest=None), 401, "proof-body"),
    ("body exchanged", lambda s: s.report("odd", sent=b'{"signals":["hooking"]}'), 401, "proof-body"),
    ("for another URL", lambda s: s.report("hooking", url=VERIFIER_ORIGIN + "/v1/tokens"), 401, "proof-request"),
    ("for the guarded API", lambda s: s.report("hooking", url="https://api.test/v1/signals"), 401, "proof-request"),
    ("for another method", lambda s: s.report("hooking", method="PUT"), 401, "proof-request"),
    ("for another token", lambda s: s.report("hooking", token=s.token + "A"), 401, "proof-token"),
    ("token re-signed", lambda s: s.report("hooking", headers={TOKEN_HEADER: forged(s)}), 401, "token-signature"),
    ("no signals", lambda s: s.report(), 400, "malformed-request"),
    ("65 signals", lambda s: s.report(*["odd"] * 65), 400, "malformed-request"),
    ("a long name", lambda s: s.report("x" * 257), 400, "client-data-invalid"),
    ("controls in a detail", lambda s: s.report({"name": "odd", "detail": "a\nb"}), 400, "client-data-invalid"),
    ("a number", lambda s: s.report(7), 400, "client-data-invalid"),
    ("too large", lambda s: s.report("x" * 70_000), 413, "too-large"),
    ("an array", lambda s: s.report("odd", sent=b'["hooking"]'), 400, "malformed-request"),
]


@pytest.mark.parametrize(("name", "act", "status", "reason"), ATTACKS, ids=[attack[0] for attack in ATTACKS])
def test_report_with_one_thing_wrong_changes_nothing(
    scene: Scene, name: str, act: Act, status: int, reason: str
) -> None:
    """One mutation, one reason, and no signal on the key."""
    scene.publish(BLOCKING)
    answer = act(scene)
    assert (answer["statusCode"], scene.decision["reason"]) == (status, reason)
    assert scene.unchanged()
    assert status != 401 or remedy(answer) == ("sign" if reason.startswith("proof") else "attest")


def test_proof_is_good_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: record one report and repeat it whenever the note is about to fade."""
    sent: list[tuple[bytes, dict[str, str]]] = []
    deliver = scene.deliver

    def recorded(body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        sent.append((body, headers))
        return deliver(body, headers)

    monkeypatch.setattr(scene, "deliver", recorded)
    assert scene.report("hooking")["statusCode"] == 202
    noted = scene.stack.attested_keys.rows[scene.device.bonafide_key_id].noted
    scene.stack.now += 30
    assert deliver(*sent[0])["statusCode"] == 401
    assert scene.decision["reason"] == "proof-replayed"
    assert scene.stack.attested_keys.rows[scene.device.bonafide_key_id].noted == noted
    scene.stack.now += 60
    assert deliver(*sent[0])["statusCode"] == 401
    assert scene.decision["reason"] == "proof-time"


def test_two_proofs_or_tokens_are_refused(scene: Scene) -> None:
    """Which one would be believed?"""
    body = b'{"signals":["hooking"]}'
    proof = scene.device.proof(method="POST", url=URL, token=scene.token, content_digest=content_digest(body))
    for first in (TOKEN_HEADER, PROOF_HEADER):
        headers = {TOKEN_HEADER: scene.token, PROOF_HEADER: proof}
        answer = scene.deliver(body, {**headers, first.upper(): headers[first]})
        assert (answer["statusCode"], slug_of(answer)) == (401, "unauthorized")
    assert scene.unchanged()


@pytest.mark.parametrize(
    ("revocation", "status", "reason"),
    [
        (lambda s: {"revoked": "tokens", "not_before": s.stack.now + 1}, 401, "token-superseded"),
        (
            lambda s: {
                "revoked": f"key:{s.device.bonafide_key_id}",
                "at": s.stack.now,
                "expires_at": s.stack.now + 60,
            },
            403,
            "key-blocked",
        ),
    ],
)
def test_revocation_is_checked_as_at_the_gate(
    scene: Scene, revocation: Callable[[Scene], dict[str, Any]], status: int, reason: str
) -> None:
    """By the newest bundle: a token that opens nothing any more reports nothing either."""
    scene.stack.revocations.rows.append({"app": APP, **revocation(scene)})
    scene.stack.rotation.publisher.publish(now=scene.stack.now)
    scene.stack.now += 2
    assert scene.report("hooking")["statusCode"] == status
    assert scene.decision["reason"] == reason


def test_expired_token_reports_nothing(scene: Scene) -> None:
    """The signal rides along with the renewal instead."""
    scene.stack.now += 306
    assert remedy(scene.report("hooking")) == "renew"
    assert scene.decision["reason"] == "token-expired"


def test_token_for_another_audience_may_report(stack: MemoryStack, log_lines: Lines) -> None:
    """A token names relying parties, never its issuer: any audience of the app will do."""
    stack.apps.rows[APP] = replace(stack.apps.rows[APP], audiences=("orders", "payments"))
    assert Scene(stack, log_lines).report("hooking")["statusCode"] == 202


def test_forgotten_key_reports_nothing(scene: Scene) -> None:
    """As in renewals: attest again."""
    del scene.stack.attested_keys.rows[scene.device.bonafide_key_id]
    assert slug_of(scene.report("hooking")) == "unknown-key"


@pytest.mark.parametrize("what", ["attested_keys", "spent_proofs", "policies", "trust_bundles"])
def test_outage_is_told_apart_from_a_refusal(scene: Scene, what: str) -> None:
    """503, and nothing is noted: the app sends it again."""
    if what == "trust_bundles":
        scene.stack.restart()
    getattr(scene.stack, what).down = True
    answer = scene.report("hooking")
    assert (answer["statusCode"], slug_of(answer)) == (503, "try-later")
    getattr(scene.stack, what).down = False
    assert scene.unchanged()


def test_bundle_that_the_root_key_did_not_sign_opens_nothing(scene: Scene) -> None:
    """The attack: write rights on the table of bundles, and a key of one's own in it."""
    rows = scene.stack.trust_bundles.rows
    (place,) = rows
    head, payload, _ = rows[place].jws.split(".")
    rows[place] = replace(rows[place], jws=f"{head}.{payload}.{'A' * 86}")
    scene.stack.restart()
    assert scene.report("hooking")["statusCode"] == 503
    assert scene.decision["reason"] == "bundle-invalid"


@pytest.mark.parametrize("restarted", [False, True], ids=["known", "new process"])
def test_older_bundle_lifts_no_block(scene: Scene, restarted: bool) -> None:
    """The attack: the same rights, and a bundle of ours from before, in a row with a newer number."""
    rows = scene.stack.trust_bundles.rows
    (old,) = rows.values()
    revoked = {"app": APP, "revoked": "tokens", "not_before": int(scene.stack.now) + 1}
    scene.stack.revocations.rows.append(revoked)
    scene.stack.rotation.publisher.publish(now=scene.stack.now)
    scene.stack.now += 2
    assert scene.report("hooking")["statusCode"] == 401
    rows[ISSUER, old.version + 2] = replace(old, version=old.version + 2)
    scene.stack.now += 2
    if restarted:
        scene.stack.restart()
    assert scene.report("hooking")["statusCode"] == 503


def test_url_without_a_set_origin_is_the_requests_own(scene: Scene) -> None:
    """Never the Host header: a client writes that itself."""
    import report_signal

    context = {"domainName": "abc.execute-api.eu-central-1.amazonaws.com", "path": "/dev/v1/signals"}
    url = f"https://{context['domainName']}{context['path']}"
    body = b'{"signals":["hooking"]}'
    event = rest_event("POST", "/v1/signals", body.decode(), headers={"Host": "verifier.example.test"})
    event["requestContext"] |= context
    for signed, good in ((url, True), (URL, False)):
        proof = scene.device.proof(method="POST", url=signed, token=scene.token, content_digest=content_digest(body))
        headers = {TOKEN_HEADER.lower(): (scene.token,), PROOF_HEADER.lower(): (proof,)}
        request = report_signal.SignalReport.model_validate(
            {
                "body": {"signals": ["hooking"]},
                "content": body,
                "method": "POST",
                "domain": context["domainName"],
                "stage_path": context["path"],
                "headers": headers,
            }
        )
        collaborators = dict(scene.stack._reporting().collaborators) | {"external_origin": ""}
        from service.telemetry.decisions import DecisionRecord

        def call(request: Any = request, collaborators: Any = collaborators) -> object:
            return report_signal.report(
                request, **collaborators, record=DecisionRecord(action="signal"), now=scene.stack.now
            )

        if good:
            assert call()
        else:
            with pytest.raises(Rejected) as refused:
                call()
            assert refused.value.reason is Reason.PROOF_REQUEST
