"""POST /v1/secrets: who gets a secret, who does not, and what a refusal says to whom."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from attestation.sealing.sealing_key import SealingKeyStorage
from bonafide_tokens.jose import b64url_decode, b64url_encode
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.signing import public_key_of
from service.secrets.runtime_secret import SecretSource, SecretState
from service.tables.attested_keys import KeyState

from devkit.devices.app_instance import AppInstance
from devkit.devices.client import PROOF_HEADER, TOKEN_HEADER, secrets_body
from devkit.devices.secret_keeper import SecretKeeper, SecretRefused
from tests.service_stack.events import json_of, rest_event, slug_of
from tests.service_stack.memory_stack import APP, ISSUER, VERIFIER_ORIGIN, MemoryStack

Lines = Callable[[], list[dict[str, Any]]]
NAME = "maps-key"
VALUE = b"AIza-not-a-real-key-0123456789"
URL = VERIFIER_ORIGIN + "/v1/secrets"
PERMIT = "permit (principal, action, resource);\n"
GRANT = f"""@id("maps-for-sound-devices")
permit (principal, action == Action::"release-secret", resource == Secret::"{NAME}")
when {{ context.tier == "affirming" }};
"""


class Scene:
    """An app with one secret that the policy grants to sound devices, and a device that asks."""

    def __init__(self, stack: MemoryStack, log_lines: Lines) -> None:
        self.stack, self.log_lines = stack, log_lines
        self.publish(PERMIT + GRANT)
        stack.runtime_secrets.keep(stack.wrapping, APP, NAME, VALUE, at=int(stack.now))
        self.device: AppInstance = stack.installation()
        self.device.make_sealing_key()
        self.token = str(stack.enrol(self.device)["token"])
        self.decision: dict[str, Any] = {}

    def publish(self, appraisal: str) -> None:
        latest = self.stack.policies.head(APP).latest
        self.stack.publishing.publish(
            APP, appraisal=appraisal, why="test", expected_version=latest, who="somebody", now=self.stack.now
        )

    def use(self, device: AppInstance) -> None:
        """Go on with another device, enrolled here."""
        self.device, self.token = device, str(self.stack.enrol(device)["token"])

    def ask(
        self, *names: str, body: bytes | None = None, headers: dict[str, str] | None = None, **proof: Any
    ) -> dict[str, Any]:
        sent = secrets_body(names or (NAME,), self.device.sealing_key_thumbprint) if body is None else body
        wanted = {"method": "POST", "url": URL, "token": self.token, "content_digest": content_digest(sent)} | proof
        if headers is None:
            headers = {TOKEN_HEADER: self.token, PROOF_HEADER: self.device.proof(**wanted)}
        self.log_lines()
        event = rest_event("POST", "/v1/secrets", sent.decode("latin-1"), headers=headers)
        answer = self.stack.handlers["POST", "/v1/secrets"](event, None)
        lines = self.log_lines()
        (self.decision,) = [line for line in lines if line.get("message") == "decision"]
        assert VALUE.decode() not in json.dumps([lines, answer])
        return answer

    def keeper(self, least: int = 1) -> SecretKeeper:
        named: Any = SimpleNamespace(least_version=lambda name: least if name == NAME else None)
        self.device.policy = named
        return SecretKeeper(self.device, ISSUER)

    def renew(self, **more: object) -> dict[str, Any]:
        data = self.device.client_data(self.stack.challenge(), **more)  # type: ignore[arg-type]
        return self.stack.send("POST", "/v1/tokens", self.device.renewal_body(data))


@pytest.fixture
def scene(stack: MemoryStack, log_lines: Lines) -> Scene:
    """A fresh scene."""
    return Scene(stack, log_lines)


def refusal(answer: dict[str, Any]) -> tuple[int, str]:
    return answer["statusCode"], str(slug_of(answer))


@pytest.mark.parametrize("platform", ["installation", "android", "harmony"])
def test_sound_device_of_each_platform_opens_its_secret(scene: Scene, platform: str) -> None:
    device = getattr(scene.stack, platform)()
    device.make_sealing_key()
    scene.use(device)
    answer = scene.ask()
    assert answer["statusCode"] == 200, answer
    assert scene.keeper().open(NAME, json_of(answer)) == VALUE
    assert (scene.decision["action"], scene.decision["outcome"]) == ("secret", "accepted")
    assert scene.decision["secrets"] == [f"{NAME}@1"]
    assert scene.decision["facts"]["context"]["sealing_key_storage"] == "claimed"


@pytest.mark.parametrize("platform", ["android", "harmony"])
def test_sealing_key_with_an_attestation_of_its_own_is_attested(scene: Scene, platform: str) -> None:
    device = getattr(scene.stack, platform)()
    device.make_sealing_key()
    device.attests_sealing_key = True
    scene.use(device)
    scene.publish(PERMIT + GRANT.replace("context.tier", 'context.sealing_key_storage == "attested" && context.tier'))
    assert scene.ask()["statusCode"] == 200
    device.attests_sealing_key = False
    assert scene.renew()["statusCode"] == 200
    assert scene.ask()["statusCode"] == 200, "the same key stays attested"
    device.make_sealing_key()
    assert scene.renew()["statusCode"] == 200
    assert refusal(scene.ask()) == (403, "secret-refused"), "another key is claimed alone"
    assert scene.decision["reason"] == "secret-not-granted"


def test_attestation_of_another_key_or_purpose_enrols_nobody(scene: Scene) -> None:
    phone = scene.stack.android()
    phone.make_sealing_key()
    phone.attests_sealing_key = True
    assert phone.sealing_key is not None
    named = public_key_of(phone.sealing_key).to_jwk()
    data = phone.client_data(scene.stack.challenge(), sealing_key=named)
    body = phone.attestation_body(data)
    phone.make_sealing_key()
    other = phone.attestation_body(data)
    crossed = {**body, "evidence": [body["evidence"][0], other["evidence"][1]]}
    assert refusal(scene.stack.send("POST", "/v1/attestations", crossed)) == (403, "evidence-rejected")
    signing = dict(body["evidence"][0], format="android-sealing-key-attestation")
    crossed = {**body, "evidence": [body["evidence"][0], signing]}
    assert refusal(scene.stack.send("POST", "/v1/attestations", crossed)) == (403, "evidence-rejected")
    twice = {**body, "evidence": [*body["evidence"], dict(body["evidence"][1])]}
    assert refusal(scene.stack.send("POST", "/v1/attestations", twice)) == (400, "malformed-evidence")
    unnamed = phone.client_data(scene.stack.challenge())
    signing = dict(phone.attestation_body(unnamed)["evidence"][0], format="android-sealing-key-attestation")
    crossed = {**phone.attestation_body(unnamed), "evidence": [phone.attestation_body(unnamed)["evidence"][0], signing]}
    assert refusal(scene.stack.send("POST", "/v1/attestations", crossed)) == (403, "evidence-rejected")


def test_key_that_signs_seals_nothing(scene: Scene) -> None:
    device = scene.stack.android()
    device.sealing_key = device.request_key
    body = device.attestation_body(device.client_data(scene.stack.challenge()))
    assert refusal(scene.stack.send("POST", "/v1/attestations", body)) == (400, "malformed-evidence")
    device.sealing_key = device.attested_key
    body = device.attestation_body(device.client_data(scene.stack.challenge()))
    assert refusal(scene.stack.send("POST", "/v1/attestations", body)) == (403, "evidence-rejected")


def test_plain_permit_releases_nothing(scene: Scene) -> None:
    scene.publish(PERMIT)
    assert refusal(scene.ask()) == (403, "secret-refused")
    assert scene.decision["reason"] == "secret-not-granted"
    assert "no rule that names release-secret" in scene.decision["detail"]


def test_unknown_revoked_and_refused_secrets_have_one_face(scene: Scene) -> None:
    scene.publish(PERMIT + GRANT + GRANT.replace(NAME, "no-such").replace("maps-for", "none-for"))
    faces = []
    for name, reason in (("no-such", "secret-unknown"), ("never-granted", "secret-not-granted")):
        answer = scene.ask(name)
        assert scene.decision["reason"] == reason
        body = json_of(answer)
        faces.append({key: body[key] for key in body if key not in ("instance", "support_code")})
    row = scene.stack.runtime_secrets.rows[APP, NAME]
    scene.stack.runtime_secrets.rows[APP, NAME] = replace(row, state=SecretState.REVOKED, wrapped=None)
    body = json_of(scene.ask())
    faces.append({key: body[key] for key in body if key not in ("instance", "support_code")})
    assert scene.decision["reason"] == "secret-unknown"
    assert faces[0] == faces[1] == faces[2]


def test_one_refused_name_refuses_them_all(scene: Scene) -> None:
    assert refusal(scene.ask(NAME, "another")) == (403, "secret-refused")
    assert scene.decision["secrets"] == [NAME, "another"]


def test_tier_is_the_worse_of_token_and_policy(scene: Scene) -> None:
    lowered = '@id("lowered") forbid (principal, action == Action::"affirm", resource);\n'
    scene.publish(PERMIT + lowered + GRANT)
    assert refusal(scene.ask()) == (403, "secret-refused"), "by the policy of this moment"
    scene.token = json_of(scene.renew())["token"]
    scene.publish(PERMIT + GRANT)
    assert refusal(scene.ask()) == (403, "secret-refused"), "by the token"
    scene.token = json_of(scene.renew())["token"]
    assert scene.ask()["statusCode"] == 200


def test_forbid_that_names_the_action_refuses_and_is_blamed(scene: Scene) -> None:
    scene.publish(
        PERMIT
        + GRANT
        + '@id("no-old-builds") forbid (principal, action == Action::"release-secret", resource)\n'
        + 'when { principal.key_storage == "secure-enclave" };\n'
    )
    assert refusal(scene.ask()) == (403, "secret-refused")
    assert scene.decision["findings"] == ["no-old-builds"]
    assert "no-old-builds" in scene.decision["detail"]


def test_hooked_device_gets_none_while_its_token_lasts(scene: Scene) -> None:
    hooked = '@id("hooked") forbid (principal, action, resource) when { context.signals has hooking };\n'
    scene.publish(PERMIT + hooked + GRANT)
    assert refusal(scene.renew(signals=["hooking"])) == (403, "evidence-rejected")
    assert refusal(scene.ask()) == (403, "evidence-rejected")
    assert scene.decision["reason"] == "appraisal-contraindicated"


def test_blocked_key_gets_none_at_once(scene: Scene) -> None:
    key = scene.device.bonafide_key_id
    rows = scene.stack.attested_keys.rows
    rows[key] = replace(rows[key], state=KeyState.BLOCKED)
    assert refusal(scene.ask()) == (403, "blocked")


def test_app_without_a_sealing_key_is_told_to_renew(scene: Scene) -> None:
    scene.use(scene.stack.installation())
    answer = scene.ask()
    assert refusal(answer) == (409, "sealing-key-missing")
    assert json_of(answer)["action"] == "renew"
    scene.device.make_sealing_key()
    assert scene.renew()["statusCode"] == 200
    assert scene.ask()["statusCode"] == 200


def test_sealing_key_that_this_key_did_not_endorse(scene: Scene) -> None:
    endorsed, other = scene.device, scene.stack.installation()
    other.make_sealing_key()
    scene.stack.enrol(other)
    for thumbprint in (other.sealing_key_thumbprint, b64url_encode(bytes(32))):
        answer = scene.ask(body=secrets_body((NAME,), thumbprint))
        assert refusal(answer) == (409, "sealing-key-unknown")
        assert json_of(answer)["action"] == "renew"
    assert endorsed.sealing_key_thumbprint not in json.dumps(scene.decision)


def test_renewal_without_a_sealing_key_keeps_the_one_there_is(scene: Scene) -> None:
    kept, scene.device.sealing_key = scene.device.sealing_key, None
    assert scene.renew()["statusCode"] == 200
    scene.device.sealing_key = kept
    assert scene.ask()["statusCode"] == 200
    row = scene.stack.attested_keys.rows[scene.device.bonafide_key_id]
    assert row.sealing_key is not None
    assert row.sealing_key.storage is SealingKeyStorage.CLAIMED


def test_proof_is_good_once_and_for_this_body(scene: Scene) -> None:
    body = secrets_body((NAME,), scene.device.sealing_key_thumbprint)
    proof = scene.device.proof(method="POST", url=URL, token=scene.token, content_digest=content_digest(body))
    headers = {TOKEN_HEADER: scene.token, PROOF_HEADER: proof}
    assert scene.ask(body=body, headers=headers)["statusCode"] == 200
    assert scene.ask(body=body, headers=headers)["statusCode"] == 401
    assert scene.decision["reason"] == "proof-replayed"
    assert scene.ask(content_digest=content_digest(b"other"))["statusCode"] == 401
    assert scene.ask(headers={})["statusCode"] == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"secrets": []}',
        b'{"secrets": ["Maps_Key"], "sealing_key": "' + b"A" * 43 + b'"}',
        b'{"secrets": ["' + b"a" * 65 + b'"], "sealing_key": "' + b"A" * 43 + b'"}',
        b'{"secrets": [' + b",".join([b'"a"'] * 9) + b'], "sealing_key": "' + b"A" * 43 + b'"}',
        b'{"secrets": ["a"], "sealing_key": "A"}',
        b'{"secrets": ["a"], "sealing_key": "' + b"A" * 43 + b'", "version": 1}',
        b'{"secrets": "a", "sealing_key": "' + b"A" * 43 + b'"}',
    ],
)
def test_malformed_request(scene: Scene, body: bytes) -> None:
    assert refusal(scene.ask(body=body)) == (400, "malformed-request")


def test_large_body_is_too_large(scene: Scene) -> None:
    assert refusal(scene.ask(body=b" " * 5000)) == (413, "too-large")


def test_device_refuses_what_its_policy_does_not_name_or_names_newer(scene: Scene) -> None:
    answer = json_of(scene.ask())
    with pytest.raises(SecretRefused, match="older"):
        scene.keeper(least=2).open(NAME, answer)
    with pytest.raises(SecretRefused, match="not-in-policy"):
        scene.keeper().open("another", answer)
    lied = {**answer, "secrets": [{**answer["secrets"][0], "version": 2}]}
    with pytest.raises(SecretRefused, match="cannot-open"):
        scene.keeper(least=2).open(NAME, lied)
    keeper = scene.keeper()
    scene.stack.runtime_secrets.keep(scene.stack.wrapping, APP, NAME, b"second", at=1)
    assert keeper.open(NAME, json_of(scene.ask())) == b"second"
    with pytest.raises(SecretRefused, match="older"):
        keeper.open(NAME, answer)


def test_no_two_answers_are_the_same(scene: Scene) -> None:
    first, second = (json_of(scene.ask())["secrets"][0] for _ in range(2))
    assert first["enc"] != second["enc"]
    assert len(b64url_decode(first["enc"])) == 65


def test_value_that_is_elsewhere_is_read_and_remembered(scene: Scene) -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:maps"
    secrets = scene.stack.runtime_secrets
    row = replace(secrets.rows[APP, NAME], source=SecretSource.SECRETS_MANAGER, reference=arn, wrapped=None, version=2)
    secrets.rows[APP, NAME] = row
    assert refusal(scene.ask()) == (503, "try-later")
    secrets.elsewhere.values[arn] = b"elsewhere"
    read = secrets.elsewhere.read_count
    assert [scene.keeper().open(NAME, json_of(scene.ask())) for _ in range(2)] == [b"elsewhere"] * 2
    assert secrets.elsewhere.read_count == read + 1
    secrets.elsewhere.values[arn] = b"changed"
    scene.stack.now += 31
    assert scene.keeper().open(NAME, json_of(scene.ask())) == b"changed"


@pytest.mark.parametrize("size", [1, 4096, 4097, 65_536])
def test_values_of_any_size(scene: Scene, size: int) -> None:
    value = bytes(range(256)) * 256
    secrets = scene.stack.runtime_secrets
    row = secrets.keep(scene.stack.wrapping, APP, NAME, value[:size], at=1)
    assert (row.data_key is None) is (size <= 4096)
    assert scene.keeper().open(NAME, json_of(scene.ask())) == value[:size]


def test_row_of_another_secret_does_not_open(scene: Scene) -> None:
    secrets = scene.stack.runtime_secrets
    other = secrets.keep(scene.stack.wrapping, APP, "other", b"x" * 5000, at=1)
    secrets.rows[APP, NAME] = replace(other, name=NAME)
    assert refusal(scene.ask()) == (503, "try-later")
