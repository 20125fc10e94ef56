"""`make verify-aws STAGE=dev`: a stack's whole life in an account, each step seen to work, with software devices.

Deploys, has devices use every route, changes a layer alone and sees the change live, turns on `ProofNonce` and sees
it, has a faulty version refused, restores a table and has a device of before renew, deletes, and lists what stays by
design. `PURGE=1` removes that, too, and schedules the deletion of its keys.

Software devices need their root to be trusted (`DevelopmentTrustAnchors`). Stages of production refuse that, and this
script takes stages of development alone. Run against a stand-in for AWS, it says which steps that skipped.

    python -m devkit.verification.verify_aws STAGE ARCHITECTURE [--purge]
"""

from __future__ import annotations

import argparse
import base64
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from bonafide.operator.errors import OperatorError
from bonafide.operator.layout import Layout, LocalStackError
from bonafide.operator.registration import DEMO_APP
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.client import Answer, UnexpectedAnswer
from devkit.devices.demo_app import DEMO_ANDROID_SIGNER, DEMO_PACKAGE
from devkit.fleet.run import register_apps
from devkit.local.template import read_template
from devkit.stack.canary_device import canary_device
from devkit.stack.deploy_stage import CONFIG, Stage, chosen
from devkit.stack.restore_tables import restore
from devkit.verification.account import Account
from devkit.verification.leftovers import Leftovers

_LAYER_FILE: Final = "ServiceLayer/python/service/edge/problems.py"
_TITLE: Final = "The request cannot be read."
_FAULTY: Final = "RenewTokenFunction/renew_token.py"
_ATTEMPTS, _PAUSE = 15, 2.0
_CODEDEPLOY: Final = "the stand-in has no CodeDeploy"


class Skipped(Exception):
    """A step that cannot be made here; the message says why."""


class Failed(Exception):
    """A step that did not do what it must; the message says what was seen."""


@dataclass
class Verification:
    """The steps, in order. ``results`` has a line for each that was tried."""

    account: Account
    purge: bool = False
    results: list[tuple[str, str, str]] = field(default_factory=list)
    kept: Leftovers | None = None

    def steps(self) -> Sequence[tuple[str, Callable[[], str]]]:
        """Names and what is done; each answers with what was seen."""
        return (
            ("build and deploy", self.deploy),
            ("every route, with software devices", self.smoke),
            ("a change of a layer alone is live", self.layer),
            ("ProofNonce=require is live", self.nonce),
            ("a faulty version is taken back", self.canary),
            ("a restored table is used", self.restored),
            ("the stack is deleted", self.delete),
            ("what stays is what is said to stay", self.list_kept),
        )

    def run(self, say: Callable[[str], None]) -> bool:
        """Do all steps; whether none failed. A step after one that failed is skipped, but for deleting."""
        good = True
        for number, (name, step) in enumerate(self.steps(), 1):
            if not good and step not in (self.delete, self.list_kept):
                outcome, seen = "skipped", "a step before it failed"
            else:
                outcome, seen = self._outcome(step)
            good = good and outcome != "FAILED"
            self.results.append((name, outcome, seen))
            say(f"{number}. {name}: {outcome}. {seen}")
        return good

    def _outcome(self, step: Callable[[], str]) -> tuple[str, str]:
        try:
            return "done", step()
        except Skipped as why:
            return "skipped", str(why)
        except (Failed, LocalStackError, OperatorError, UnexpectedAnswer, BotoCoreError, ClientError, OSError) as error:
            return "FAILED", str(error)

    def deploy(self) -> str:
        """From nothing, so that everything seen is of this run."""
        account = self.account
        account.build()
        account.must_deploy()
        register_apps(account.deployment(), account.admin())
        self.kept = Leftovers.of(account.aws, account.stage.stack_name, read_template(account.layout.template))
        return f"{account.stage.stack_name} in {account.stage.region}"

    def smoke(self) -> str:
        """Each kind of device enrols, renews, calls the guarded API, reports; documents and Admin API answer."""
        scene = self.account.scene()
        client = scene.client
        for device in (scene.install(), scene.android(), scene.harmony()):
            session = client.attest(device)
            session = client.renew(device, session.next_challenge)
            ask = partial(client.call, "GET", "/v1/whoami", token=session.token)
            self._eventually(ask, lambda answer: answer.status == 200, "GET /v1/whoami")
            self._expect(client.call_with_proof("POST", "/v1/whoami", device, session.token), 200, "POST /v1/whoami")
            self._expect(client.report_signal(device, session.token, "canary"), 202, "POST /v1/signals")
            self._expect(client.report_failure(device, "timeout"), 202, "POST /v1/attestation-failures")
        self._eventually(partial(client.call, "GET", "/v1/whoami"), _is_refused, "GET /v1/whoami without a token")
        for path, status in (
            ("/v1/trust-bundle", 200),
            ("/.well-known/jwks.json", 200),
            (f"/v1/client-policies/{DEMO_APP}?install=verify", 404),
        ):
            self._expect(client.send("GET", client.verifier_url + path), status, f"GET {path}")
        return f"iPhone, Android and HarmonyOS devices; documents; {self._admin_api()}"

    def _admin_api(self) -> str:
        apps = self.account.admin().call("GET", "/admin/apps")
        if DEMO_APP not in str(apps):
            raise Failed(f"GET /admin/apps does not name {DEMO_APP}")
        return "the Admin API" if self.account.endpoint is None else "the Admin API, past the stand-in's gateway"

    def layer(self) -> str:
        """An answer's title, which the service layer holds, is another one after a deployment that changed it alone."""
        changed = "The request cannot be read, says the next release."
        with _edited(self.account.built / _LAYER_FILE, f'400, "{_TITLE}"', f'400, "{changed}"'):
            self.account.must_deploy()
            ask = partial(self.account.scene().client.post, "/v1/attestations", b"{")
            self._eventually(ask, lambda answer: answer.text("title") == changed, "POST /v1/attestations")
        return "appraise_evidence answers with the changed title"

    def nonce(self) -> str:
        """A proof without a nonce passes before, and does not after."""
        self.account.must_deploy()  # the layer as it was built
        scene = self.account.scene()
        device = scene.install()
        session = scene.client.attest(device)

        def ask() -> Answer:
            client = self.account.scene().client
            return client.call_with_proof("POST", "/v1/whoami", device, session.token)

        self._eventually(ask, lambda answer: answer.status == 200, "a proof without nonce, before,")
        key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii").rstrip("=")
        self.account.parameters |= {"ProofNonce": "require", "ProofNonceKey": key}
        self.account.must_deploy()
        self._eventually(ask, _is_refused, "a proof without nonce")
        for name in ("ProofNonce", "ProofNonceKey"):
            del self.account.parameters[name]
        self.account.must_deploy()
        return "a proof without a nonce passed before, and was refused after"

    def canary(self) -> str:
        """A version that cannot be loaded is refused by the check; the one before goes on answering."""
        if self.account.endpoint is not None:
            raise Skipped(_CODEDEPLOY)
        device = canary_device(self.account.authority, app=DEMO_APP, package=DEMO_PACKAGE, signer=DEMO_ANDROID_SIGNER)
        self.account.parameters |= {"EnableCanary": "true", "CanaryDevice": device}
        self.account.must_deploy()
        file = self.account.built / _FAULTY
        with _edited(file, "from __future__ import annotations\n", 'raise RuntimeError("faulty on purpose")\n'):
            ended = self.account.deploy()
        if not ended.returncode:
            raise Failed("make deploy ended with 0, and the version is faulty")
        if "renew_token" not in ended.stderr:
            raise Failed(f"the reason is not named: {ended.stderr[-500:]}")
        scene = self.account.scene()
        phone = scene.install()
        scene.client.renew(phone, scene.client.attest(phone).next_challenge)
        return "make deploy ended non-zero and named renew_token; devices went on renewing"

    def restored(self) -> str:
        """The table of devices as it is now, as a new table; a device that was enrolled before renews by it."""
        account = self.account
        scene = account.scene()
        device = scene.install()
        session = scene.client.attest(device)
        template = read_template(account.layout.template)
        found = restore(
            account.aws("dynamodb"), template, account.outputs, ["AttestedKeysTable"], to=None, now=datetime.now(UTC)
        )
        ((parameter, table),) = found
        account.parameters[parameter] = table
        account.must_deploy()
        if account.outputs["AttestedKeysTableName"] != table:
            raise Failed(f"the stack goes on with {account.outputs['AttestedKeysTableName']}")
        if self.kept is not None:
            self.kept = self.kept.with_table(table)
        again = scene.client.renew(device, session.next_challenge)
        ask = partial(scene.client.call, "GET", "/v1/whoami", token=again.token)
        self._eventually(ask, lambda answer: answer.status == 200, "GET /v1/whoami")
        scene.client.attest(scene.install())
        return f"{table}: a device of before renewed, another one enrolled"

    def delete(self) -> str:
        """By CloudFormation; stage dev is not protected against it."""
        client, name = self.account.aws("cloudformation"), self.account.stage.stack_name
        client.delete_stack(StackName=name)
        client.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 3, "MaxAttempts": 600})
        return name

    def list_kept(self) -> str:
        """Everything of it is there; with ``purge``, it goes."""
        if self.kept is None:
            raise Skipped("nothing was deployed")
        lost = self.kept.lost(self.account.aws)
        if lost:
            raise Failed(f"gone, and said to stay: {', '.join(lost)}")
        if not self.purge:
            return f"{self.kept.named}. PURGE=1 removes it"
        return f"{self.kept.named}; removed: {self.kept.purge(self.account.aws)}"

    def _eventually(self, ask: Callable[[], Answer], good: Callable[[Answer], bool], what: str) -> None:
        """A deployment of an API takes some seconds to be everywhere, and functions start cold."""
        for attempt in range(_ATTEMPTS):
            answer = ask()
            if good(answer):
                return
            if attempt < _ATTEMPTS - 1:
                time.sleep(_PAUSE)
        raise Failed(f"{what} goes on answering {answer.summary}")

    def _expect(self, answer: Answer, status: int, what: str) -> None:
        if answer.status != status:
            raise Failed(f"{what} answered {answer.summary}, not {status}")


def _is_refused(answer: Answer) -> bool:
    return answer.status in (401, 403)  # a stand-in without gateway responses answers 403


class _edited:
    """A built file with one text replaced, for as long as the block takes."""

    def __init__(self, path: Path, old: str, new: str) -> None:
        self._path, self._old, self._new = path, old, new

    def __enter__(self) -> None:
        self._text = self._path.read_text("utf-8")
        if self._text.count(self._old) != 1:
            raise Failed(f"{self._path} does not hold {self._old!r} once")
        self._path.write_text(self._text.replace(self._old, self._new), "utf-8")

    def __exit__(self, *_error: object) -> None:
        self._path.write_text(self._text, "utf-8")


def of_development(stage: Stage) -> Stage:
    """The stage, as a stack of its own beside one that is in use. Raises :class:`LocalStackError` for another stage
    than dev."""
    if stage.parameters.get("Stage") != "dev":
        raise LocalStackError(
            f"{stage.name} is no stage of development: software devices would have to be trusted, and the stack would "
            f"be deleted. Use a stage with Stage=dev, best in an account of its own."
        )
    return replace(stage, stack_name=f"{stage.stack_name}-verify")


def verify(account: Account, *, purge: bool) -> int:
    """Run all steps and print the list; the exit code."""
    verification = Verification(account, purge=purge)
    good = verification.run(lambda text: print(text, flush=True))
    tried = [outcome for _, outcome, _ in verification.results]
    print(f"{tried.count('done')} steps done, {tried.count('skipped')} skipped, {tried.count('FAILED')} failed")
    return int(not good)


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify one stage; the exit code."""
    parser = argparse.ArgumentParser(description="Deploy a stage, use it, change it, restore it, delete it.")
    parser.add_argument("stage")
    parser.add_argument("architecture", choices=("arm64", "x86_64"))
    parser.add_argument("--purge", action="store_true", help="remove what stays, and schedule the deletion of keys")
    parser.add_argument("--parameter", action="append", default=[], help="NAME=VALUE, beside those of the stage")
    given = parser.parse_args(arguments)
    layout = Layout.of_this_project()
    try:
        stage = of_development(chosen(layout.root / CONFIG, given.stage, given.architecture))
        authority = DeviceAuthority.load_or_create(layout.root / ".local" / "verify-aws")
    except (LocalStackError, OperatorError) as problem:
        print(problem, file=sys.stderr)
        return 2
    pairs = [pair.partition("=") for pair in given.parameter]
    account = Account(layout, stage, authority, {name: value for name, _, value in pairs})
    return verify(account, purge=given.purge)


if __name__ == "__main__":
    sys.exit(main())
