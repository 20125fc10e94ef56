"""Which roots a deployment accepts, and the deployment that would lock every gate out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import rotate_signing_key
from bonafide_tokens.trust_bundle import open_trust_bundle, root_public_keys
from service.errors import UnsuitableKey
from service.regions.document import founded, sign_regions, signed_anew, with_region
from service.roots.accepted import StackRoots, root_text

from tests.service_stack.fakes import SoftwareRootKey
from tests.service_stack.memory_stack import ISSUER, NOW, MemoryStack

OLD, NEW, THIRD = SoftwareRootKey(), SoftwareRootKey(), SoftwareRootKey()
OLD_TEXT, NEW_TEXT = root_text(OLD.public_key()), root_text(NEW.public_key())


def test_one_root_is_told_as_ever() -> None:
    """A stack whose root does not change hands over one key, and not a word of sets."""
    assert StackRoots(OLD).text() == OLD_TEXT


def test_roots_are_told_once_each_the_one_that_signs_first() -> None:
    """Also when a deployment names one by its id and by its public key."""
    roots = StackRoots(NEW, OLD, (THIRD.public_key(), OLD.public_key()))
    assert roots.text() == ",".join(map(root_text, (NEW.public_key(), OLD.public_key(), THIRD.public_key())))
    assert root_public_keys(roots.text()) == roots.accepted()


def test_more_roots_than_gates_take_are_refused() -> None:
    """Else every gate would stop at its next start."""
    others = tuple(SoftwareRootKey().public_key() for _ in range(3))
    assert len(StackRoots(OLD, None, others).accepted()) == 4
    with pytest.raises(UnsuitableKey, match="AdditionalRootKeys"):
        StackRoots(OLD, NEW, others).accepted()


class Deployments:
    """Updates of the custom resource ``FirstSigningKey`` of one stack."""

    def __init__(self, stack: MemoryStack, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stack, self.told = stack, list[dict[str, Any]]()
        self._patch = monkeypatch
        monkeypatch.setattr("service.edge.custom_resource._put", lambda _url, body: self.told.append(json.loads(body)))
        monkeypatch.setattr("rotate_signing_key.time.time", lambda: NOW)
        monkeypatch.setattr("rotate_signing_key.time.sleep", lambda _seconds: None)

    def _wire(self, roots: StackRoots) -> None:
        stack = self.stack
        publisher = replace(stack.rotation.publisher, root_key=roots.signing)
        wired = (replace(stack.rotation, publisher=publisher), stack.marker, roots, None, stack.facts.rotation)
        self._patch.setattr(rotate_signing_key, "wire", lambda _env: wired)

    def run(self, roots: StackRoots, action: str = "tick") -> None:
        """What the schedule, an operator or another function asks for, with these ``roots``."""
        self._wire(roots)
        rotate_signing_key.handler({"action": action}, None)

    def deploy(self, roots: StackRoots, properties: dict[str, str], before: dict[str, str] | None) -> dict[str, Any]:
        """What CloudFormation is told about a deployment with these ``roots``."""
        self._wire(roots)
        event = {
            "RequestType": "Update" if before is not None else "Create",
            "ResponseURL": "https://storage.example/answer",
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "FirstSigningKey",
            "ResourceType": "Custom::FirstSigningKey",
            "ResourceProperties": properties,
            **({} if before is None else {"OldResourceProperties": before}),
        }
        rotate_signing_key.handler(event, None)
        return self.told[-1]


@pytest.fixture
def deployments(monkeypatch: pytest.MonkeyPatch) -> Deployments:
    """A stack whose bundles the old root signs."""
    stack = MemoryStack()
    stack.root_key.private_key = OLD.private_key
    stack.rotation.run(now=NOW)
    return Deployments(stack, monkeypatch)


ALONE, ADDED = {"RootKey": "old"}, {"RootKey": "old", "OtherRootKey": "new"}
MOVED, DROPPED = {"RootKey": "new", "OtherRootKey": "old"}, {"RootKey": "new"}


def test_root_moves_step_by_step(deployments: Deployments) -> None:
    """Every deployment of a move, forth and back: what it accepts, and that a bundle follows at once."""
    steps = [
        (StackRoots(OLD), ALONE, None, OLD_TEXT),
        (StackRoots(OLD, NEW), ADDED, ALONE, f"{OLD_TEXT},{NEW_TEXT}"),
        (StackRoots(NEW, OLD), MOVED, ADDED, f"{NEW_TEXT},{OLD_TEXT}"),
        (StackRoots(OLD, NEW), ADDED, MOVED, f"{OLD_TEXT},{NEW_TEXT}"),
        (StackRoots(NEW, OLD), MOVED, ADDED, f"{NEW_TEXT},{OLD_TEXT}"),
        (StackRoots(NEW), DROPPED, MOVED, NEW_TEXT),
    ]
    for roots, properties, before, accepted in steps:
        told = deployments.deploy(roots, properties, before)
        assert (told["Status"], told["Data"]["RootPublicKey"]) == ("SUCCESS", accepted)
    latest = deployments.stack.trust_bundles.latest(ISSUER)
    assert latest is not None
    assert open_trust_bundle(latest.jws, root_key=NEW.public_key(), issuer=ISSUER, now=NOW).version == latest.version


def test_root_that_no_gate_was_told_of_is_refused_and_signs_nothing(deployments: Deployments) -> None:
    """The mistake: multi-region for a stack that has a single-Region root, in one update. And the way back is open:
    CloudFormation sends the same update the other way round."""
    signed = deployments.stack.trust_bundles.latest(ISSUER)
    told = deployments.deploy(StackRoots(NEW), DROPPED, ALONE)
    assert (told["Status"], "docs/root-keys.md" in told["Reason"]) == ("FAILED", True)
    assert deployments.stack.trust_bundles.latest(ISSUER) == signed
    assert deployments.deploy(StackRoots(OLD), ALONE, DROPPED)["Status"] == "SUCCESS"


@pytest.mark.parametrize("named_in", ["before", "now"])
def test_root_of_ones_own_is_named_before_it_signs(deployments: Deployments, named_in: str) -> None:
    """RootKeyArn is another key: the deployment before accepted it, or an operator says that gates were told."""
    now = {"RootKey": "arn", **({"AdditionalRootKeys": f"{OLD_TEXT},{NEW_TEXT}"} if named_in == "now" else {})}
    before = {**ALONE, **({"AdditionalRootKeys": NEW_TEXT} if named_in == "before" else {})}
    assert deployments.deploy(StackRoots(NEW), now, before)["Status"] == "SUCCESS"


def test_another_name_of_the_same_key_is_no_change(deployments: Deployments) -> None:
    """Its ARN in the place of its id: it signed the latest bundle."""
    assert deployments.deploy(StackRoots(OLD), {"RootKey": "arn of old"}, ALONE)["Status"] == "SUCCESS"


@pytest.mark.parametrize("action", ["tick", "rotate", "publish", "gather"])
def test_nothing_is_published_by_a_root_before_its_deployment_was_let_through(
    deployments: Deployments, action: str
) -> None:
    """The function has the new root before FirstSigningKey is asked. A bundle by the schedule in between would lock the
    gates out, and be the proof by which the same leap passes."""
    latest, keys = deployments.stack.trust_bundles.latest(ISSUER), deployments.stack.signing_keys.all()
    with pytest.raises(UnsuitableKey, match=r"docs/root-keys\.md"):
        deployments.run(StackRoots(NEW), action)
    assert deployments.stack.trust_bundles.latest(ISSUER) == latest
    assert deployments.stack.signing_keys.all() == keys
    assert deployments.deploy(StackRoots(NEW), DROPPED, ALONE)["Status"] == "FAILED"
    deployments.run(StackRoots(OLD), action)  # CloudFormation gave the function its root back


@pytest.mark.parametrize(
    "roots",
    [StackRoots(NEW, OLD), StackRoots(NEW, None, (OLD.public_key(),)), StackRoots(NEW, None, (NEW.public_key(),))],
    ids=["second key of the stack", "named", "old one is lost, gates were told"],
)
def test_root_that_gates_know_publishes_before_its_deployment_ends(deployments: Deployments, roots: StackRoots) -> None:
    """Each step in its order, met by the schedule in the middle."""
    deployments.run(roots)
    latest = deployments.stack.trust_bundles.latest(ISSUER)
    assert latest is not None
    assert open_trust_bundle(latest.jws, root_key=NEW.public_key(), issuer=ISSUER, now=NOW).version == latest.version


def test_first_bundle_of_a_stack_is_by_any_root(deployments: Deployments) -> None:
    """There is none that a gate could hold."""
    deployments.stack.trust_bundles.rows.clear()
    deployments.run(StackRoots(NEW))
    assert deployments.stack.trust_bundles.latest(ISSUER) is not None


def test_root_of_the_newest_region_document_is_not_dropped(deployments: Deployments) -> None:
    """The mistake: step 8 of the move before `bonafide region sign`. Every named region would answer 503, and nothing
    could sign its document anew."""
    stack = deployments.stack
    first = founded(ISSUER, "eu", "https://eu.example/v1", now=NOW)
    second = with_region(first, "us", "https://us.example/v1", now=NOW)
    stack.signing_keys.documents += [sign_regions(one, sign=OLD.sign) for one in (second, first)]
    stack.signing_keys.documents.append("no document")
    assert deployments.deploy(StackRoots(OLD, NEW), ADDED, ALONE)["Status"] == "SUCCESS"
    assert deployments.deploy(StackRoots(NEW, OLD), MOVED, ADDED)["Status"] == "SUCCESS"

    latest = stack.trust_bundles.latest(ISSUER)
    told = deployments.deploy(StackRoots(NEW), DROPPED, MOVED)
    assert (told["Status"], "region sign" in told["Reason"]) == ("FAILED", True)
    assert stack.trust_bundles.latest(ISSUER) == latest
    assert deployments.deploy(StackRoots(NEW, OLD), MOVED, DROPPED)["Status"] == "SUCCESS"  # it is taken back
    kept = DROPPED | {"AdditionalRootKeys": OLD_TEXT}
    assert deployments.deploy(StackRoots(NEW, None, (OLD.public_key(),)), kept, MOVED)["Status"] == "SUCCESS"

    stack.signing_keys.documents.insert(0, sign_regions(signed_anew(second, now=NOW), sign=NEW.sign))
    assert deployments.deploy(StackRoots(NEW), DROPPED, kept)["Status"] == "SUCCESS"


def test_update_that_drops_no_root_goes_on_whatever_signed_the_regions(deployments: Deployments) -> None:
    """Where it happened before this was refused, an update that mends something else must not fail for it."""
    document = founded(ISSUER, "eu", "https://eu.example/v1", now=NOW)
    deployments.stack.signing_keys.documents.append(sign_regions(document, sign=THIRD.sign))
    same = ALONE | {"OtherRootKey": "", "Wish": "another"}
    assert deployments.deploy(StackRoots(OLD), same, ALONE)["Status"] == "SUCCESS"
    assert deployments.deploy(StackRoots(OLD, NEW), ADDED, ALONE)["Status"] == "SUCCESS"
