"""A change of the root key through the Admin API over real transactions, seen by apps that follow signed root sets."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from attestation.client_policy import SignedClientPolicy, open_client_policy, sign_client_policy
from attestation.errors import RejectedEvidence
from bonafide_tokens.jose import EcPublicKey, b64url_encode
from bonafide_tokens.signing import sign_trust_bundle
from bonafide_tokens.trust_bundle import TrustBundle
from service.fallback_modes import PolicyApproval
from service.keys.kms import KmsRootKey
from service.keys.publishing import Publisher
from service.policies.publish import PolicyPublishing
from service.roots.accepted import root_text
from service.roots.root_set import sign_root_set
from service.tables.revocations import DynamoDBRevocations
from service.tables.routes import DynamoDBApis
from service.tables.signing_keys import Purpose, StoredKey
from service.view.stack import ViewStack

from bonafide.cli.keys.root_change import RootChange
from bonafide.operator.admin_api import AdminProblem
from bonafide.operator.errors import OperatorError
from bonafide.operator.registration import DEMO_APPLE_APP_ID, Registration
from devkit.client_core.roots import RootSet, next_root_set
from tests.integration.administered_stack import entries
from tests.service_stack.admin_calls import AdminWorld, admin_world
from tests.service_stack.events import json_of, rest_event
from tests.service_stack.fakes import SoftwareRootKey
from tests.service_stack.memory_stack import ISSUER
from tests.service_stack.worlds import AwsWorld

ROOT_SET = "/v1/root-sets/{version}"
_KEY = SoftwareRootKey().public_key()
_BUNDLE = TrustBundle(
    issuer=ISSUER, version=999, issued_at=1, expires_at=2**40, keys={"token-1": _KEY}, apps={}, apis={}
)


class Deployment:
    """One stack: which KMS key signs, and which roots its functions accept."""

    def __init__(self, world: AwsWorld, approval: PolicyApproval = PolicyApproval.OFF) -> None:
        self.world = world
        world.register(Registration(app="demo", apple_app_ids=(DEMO_APPLE_APP_ID,)))
        self.admin: AdminWorld = admin_world(world, approval=approval)
        self.change = RootChange(self.admin)

    def key(self) -> KmsRootKey:
        """Another root in KMS."""
        made = self.world.kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", MultiRegion=True)
        return KmsRootKey(self.world.kms, made["KeyMetadata"]["KeyId"])

    def deploy(self, signing: Any, *others: Any) -> None:
        """Sign by one root, accept all of them, and publish a trust bundle at once, as ``FirstSigningKey`` does."""
        stack: ViewStack = self.admin.stack
        accepted = tuple(key.public_key() for key in (signing, *others))
        roots = replace(stack.roots, signing=signing, accepted=accepted)
        publishing: PolicyPublishing = replace(stack.publishing, root_key=signing)
        self.admin.stack = replace(stack, roots=roots, publishing=publishing)
        publisher = Publisher(
            issuer=ISSUER,
            lifetime=600,
            signing_keys=self.world.signing_keys,
            trust_bundles=self.world.trust_bundles,
            apis=DynamoDBApis(self.world.dynamodb, self.world.tables["apis"]),
            revocations=DynamoDBRevocations(self.world.dynamodb, self.world.tables["revocations"]),
            root_key=signing,
        )
        publisher.publish(now=time.time())

    def refused(self, *step: Any, **how: Any) -> str:
        with pytest.raises(OperatorError) as caught:
            step[0](*step[1:], **how)
        return str(caught.value)


@pytest.fixture
def stack(ministack: AwsWorld) -> Deployment:
    """A stack with a token key and a client policy by the root that it was made with."""
    made = Deployment(ministack)
    _token_key(ministack)
    made.deploy(ministack.root_key)
    made.admin.call("POST", "/admin/policies/demo", {"client": '{"format": 1}', "why": "first", "expected_version": 0})
    return made


def _token_key(world: AwsWorld) -> None:
    jwk = KmsRootKey(world.kms, world.root_key_id).public_key().to_jwk()  # any P-256 key will do
    world.signing_keys.add(
        StoredKey(kid="token-1", purpose=Purpose.TOKEN, created_at=1, wrapped=b"-", public_jwk=jwk, active_from=1)
    )


def root_set(serve: Any, version: int) -> str | None:
    event = rest_event("GET", f"/v1/root-sets/{version}", resource=ROOT_SET)
    event["pathParameters"] = {"version": str(version)}
    answer = serve.handler(event, None)
    if answer["statusCode"] == 404:
        assert json_of(answer)["type"].endswith("no-such-route")
        return None
    assert answer["headers"]["Content-Type"] == "application/jose"
    return str(answer["body"])


def policy(serve: Any, roots: tuple[EcPublicKey, ...]) -> SignedClientPolicy:
    event = rest_event("GET", "/v1/client-policies/demo", resource="/v1/client-policies/{app}", query={"install": "x"})
    event["pathParameters"] = {"app": "demo"}
    body = serve.handler(event, None)["body"]
    return open_client_policy(body, root_keys=list(roots), issuer=ISSUER, app="demo", newest_seen=0, now=time.time())


def is_by(serve: Any, root: EcPublicKey) -> bool:
    try:
        return policy(serve, (root,)).version == 1
    except RejectedEvidence:
        return False


def test_root_moves_and_apps_that_pin_the_old_one_follow(stack: Deployment, function: Any) -> None:
    """Every step in its order, and each refused before the one it needs."""
    old, new = stack.world.root_key, stack.key()
    pinned = RootSet(1, (old.public_key(),))
    now = time.time()
    serve = function(stack.world, "serve_policy")
    assert root_set(serve, 2) is None

    assert "no root that apps do not know" in stack.refused(stack.change.add, "early")
    stack.deploy(old, new)
    assert "`bonafide root add`" in stack.change.roots().next_step()
    assert not stack.change.add("a root for two Regions")["proposed"]
    serve = function(stack.world, "serve_policy")
    second = next_root_set(pinned, root_set(serve, 2) or "", issuer=ISSUER, now=now)
    assert second.roots == (old.public_key(), new.public_key())
    assert policy(serve, pinned.roots).version == 1
    assert "Deploy every gate" in stack.change.roots().next_step()

    stack.deploy(new, old)
    assert "sign-with" in stack.refused(stack.change.drop, "too early", at_once=True)
    assert "sign-with" in stack.change.roots().next_step()
    assert stack.change.sign_with("signs now") == 1
    assert stack.change.sign_with("once more") == 0
    deadline = time.monotonic() + 20  # the process that remembers the old signature notices, within a second or two
    while not is_by(serve, new.public_key()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert policy(serve, (new.public_key(),)).version == policy(serve, second.roots).version == 1

    assert "an hour after" in stack.refused(stack.change.drop, "too early")
    stack.change.drop("the old one is done", at_once=True)
    serve = function(stack.world, "serve_policy")
    third = next_root_set(second, root_set(serve, 3) or "", issuer=ISSUER, now=now)
    assert third.roots == (new.public_key(),)
    assert "RootKeyKind=multi-region" in stack.change.roots().next_step()
    stack.deploy(new)
    assert stack.change.roots().next_step().startswith("Nothing")
    assert policy(serve, third.roots).version == 1
    told = [(one["action"], one["details"]["version"]) for one in entries(stack.admin, "root-sets")]
    assert told == [("add-root-set", 3), ("add-root-set", 2)]
    assert entries(stack.admin, "app/demo")[0]["action"] == "sign-policy-anew"


@pytest.mark.parametrize(
    ("roots", "says"),
    [
        (["old"], "just these roots"),
        ([], "1 to 4 different"),
        (["old", "old"], "1 to 4 different"),
        (["old", "x"], "no P-256 point"),
        (["old", "stranger"], "does not accept"),
        (["new"], "cannot be dropped"),
        (["old", "new", "stranger", "a", "b"], ""),
    ],
)
def test_set_that_would_lock_apps_out_is_refused(stack: Deployment, roots: list[str], says: str) -> None:
    """Nothing is signed then: neither gates nor apps may be left with roots that the other side does not go by."""
    old, new, stranger = stack.world.root_key, stack.key(), stack.key()
    stack.deploy(old, new)
    known = {"old": old, "new": new, "stranger": stranger}
    wanted = [root_text(known[name].public_key()) if name in known else name for name in roots]
    with pytest.raises(AdminProblem) as caught:
        stack.admin.call("POST", "/admin/root-sets", {"version": 2, "roots": wanted, "why": "by mistake"})
    assert caught.value.slug == "change-refused"
    assert says in str(caught.value)
    assert stack.change.roots().record["sets"] == []


def test_versions_follow_each_other(stack: Deployment) -> None:
    """Apps take the next one alone, so a gap would be the end; and of two operators one is refused."""
    old, new = stack.world.root_key, stack.key()
    stack.deploy(old, new)
    both = [root_text(key.public_key()) for key in (old, new)]
    body = {"version": 3, "roots": both, "why": "x"}
    assert "the next one is 2" in stack.refused(stack.admin.call, "POST", "/admin/root-sets", body)
    stack.admin.call("POST", "/admin/root-sets", body | {"version": 2})
    assert "the next one is 3" in stack.refused(stack.admin.call, "POST", "/admin/root-sets", body | {"version": 2})


def test_root_that_apps_do_not_know_signs_nothing_for_them(stack: Deployment) -> None:
    """The step that was left out: the new root signs before the set was made."""
    old, new = stack.world.root_key, stack.key()
    stack.deploy(new, old)
    assert stack.change.roots().newest == [root_text(old.public_key())]  # which client policies are signed by
    assert "do not know the root that signs" in stack.refused(stack.change.sign_with, "early")
    assert "do not know the root that signs" in stack.refused(stack.change.add, "early")
    stack.deploy(old, new)
    stack.change.add("in order now")
    third = stack.key()
    stack.deploy(third, old, new)
    assert "do not know the root that signs" in stack.refused(stack.change.sign_with, "early")
    assert "do not know the root that signs" in stack.refused(stack.change.add, "early")


def test_two_persons_make_a_root_set(ministack: AwsWorld) -> None:
    """Under the rule for policies the first call proposes, and the same from another person signs."""
    stack = Deployment(ministack, PolicyApproval.TWO_PERSON)
    _token_key(ministack)
    new = stack.key()
    stack.deploy(ministack.root_key, new)
    assert stack.change.add("ann's")["proposed"]
    assert stack.change.add("ann once more")["proposed"]
    assert stack.change.roots().record["sets"] == []
    stack.admin.name = "ben"
    assert not stack.change.add("ben's")["proposed"]
    newest = entries(stack.admin, "root-sets")[0]
    assert (newest["action"], newest["details"]["proposed_by"].rpartition("/")[2]) == ("add-root-set", "ann")


def _planted(kind: str, old: Any) -> str:
    """What an attacker without the root writes into the row of client policy 1: texts by no root, or by the old one."""
    key = SoftwareRootKey() if kind.startswith("forged") else old
    policy = SignedClientPolicy(ISSUER, "demo", 1, time.time(), {"format": 1})
    match kind:
        case "bundle of no signer":
            return f"{sign_trust_bundle(_BUNDLE, sign=old.sign).rpartition('.')[0]}.{b64url_encode(bytes(64))}"
        case "bundle" | "forged bundle":
            return sign_trust_bundle(_BUNDLE, sign=key.sign)
        case "root set" | "forged root set":
            return sign_root_set(2, [SoftwareRootKey().public_key()], issuer=ISSUER, now=1, sign=key.sign)
        case "forged policy":
            return sign_client_policy(policy, sign=key.sign)
        case "another app's":
            return sign_client_policy(policy._replace(app="other"), sign=key.sign)
        case "another version's":
            return sign_client_policy(policy._replace(version=2), sign=key.sign)
        case "another stack's":
            return sign_client_policy(policy._replace(issuer="https://other.example"), sign=key.sign)
        case _:
            return kind


PLANTED = (
    "bundle of no signer",
    "forged bundle",
    "bundle",
    "forged root set",
    "root set",
    "forged policy",
    "another app's",
    "another version's",
    "another stack's",
    "no JWS at all",
    "ä.b.c",
    "a.b.!",
)


def test_root_signs_nothing_that_was_planted(stack: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: write access to the policies table. The new root would sign whatever stands in the row, a trust
    bundle too, and the verifier would serve it."""
    old, new, world = stack.world.root_key, stack.key(), stack.world
    stack.deploy(old, new)
    stack.change.add("a root for two Regions")
    stack.deploy(new, old)
    row: Any = {"app": {"S": "demo"}, "version": {"N": "1"}}
    for kind in PLANTED:
        planted = _planted(kind, old)
        world.dynamodb.update_item(
            TableName=world.tables["policies"],
            Key=row,
            UpdateExpression="SET client_jws = :planted",
            ExpressionAttributeValues={":planted": {"S": planted}},
        )
        signed = list[bytes]()
        with monkeypatch.context() as patched:
            patched.setattr(KmsRootKey, "sign", lambda _self, digest, signed=signed: signed.append(digest))
            with pytest.raises(AdminProblem, match="app demo") as caught:
                stack.admin.call("POST", "/admin/root-sets/signatures", {"why": "signs now"})
        assert (kind, caught.value.slug, signed) == (kind, "change-refused", [])
        found = world.dynamodb.get_item(TableName=world.tables["policies"], Key=row)["Item"]
        assert found["client_jws"] == {"S": planted}
    alone = {"version": 3, "roots": [root_text(new.public_key())], "why": "x", "at_once": True}
    assert "sign-with" in stack.refused(stack.admin.call, "POST", "/admin/root-sets", alone)
