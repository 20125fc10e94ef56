"""Runtime secrets."""

from __future__ import annotations

from typing import Final

from bonafide_tokens.jose import b64url_encode

from devkit.kit.mock.exchange import Route
from devkit.kit.rules import Rule
from devkit.kit.scenario import Scenarios
from devkit.kit.stage import Stage

scenario: Final = Scenarios()
_NAME: Final = "maps-key"
_VALUE: Final = b"value of the secret"


def _prepare(stage: Stage, *, served: int, least: int = 3) -> None:
    stage.world.publish(1, {"secrets": {_NAME: {"minimum_version": least}}})
    stage.world.secrets[_NAME] = (served, _VALUE)
    stage.policy()


@scenario(
    "secret-opened", "a secret is asked for, sealed to a key that a renewal endorses, and opened", Rule.SECRET_OPENED
)
def _opened(stage: Stage) -> None:
    _prepare(stage, served=3)
    for _ in range(2):
        said = stage.command("secret", name=_NAME)
        good = said.get("value") == b64url_encode(_VALUE) and said.get("version") == 3
        stage.expect(good, Rule.SECRET_OPENED, f"The secret was not opened: {said.get('error')}.")
    stage.expect(stage.count(Route.ATTESTATION) == 1, Rule.NO_NEEDLESS_ENROLMENT, "An enrolment for a sealing key.")


@scenario("secret-older", "the secret is older than the policy's least version", Rule.SECRET_REFUSED)
def _older(stage: Stage) -> None:
    _prepare(stage, served=2)
    _refused(stage)


@scenario("secret-of-another-name", "the answer names this secret, and was sealed for another", Rule.SECRET_REFUSED)
def _other_name(stage: Stage) -> None:
    _prepare(stage, served=3)
    stage.world.sealed_for = "payments-key"
    _refused(stage)


@scenario("secret-not-in-policy", "the policy does not name the secret", Rule.SECRET_REFUSED)
def _not_named(stage: Stage) -> None:
    _prepare(stage, served=3)
    stage.world.secrets["other-key"] = (3, _VALUE)
    said = stage.command("secret", name="other-key")
    stage.expect("value" not in said, Rule.SECRET_REFUSED, "A secret that the policy does not name was given.")


@scenario("secret-refused", "the verifier does not release the secret", Rule.ERROR_SHOWN)
def _withheld(stage: Stage) -> None:
    _prepare(stage, served=3)
    stage.world.secrets.clear()
    stage.shows(stage.command("secret", name=_NAME), "secret-refused", "contact-support", "service")


def _refused(stage: Stage) -> None:
    said = stage.command("secret", name=_NAME)
    stage.expect("value" not in said, Rule.SECRET_REFUSED, "The secret was given to the app.")
    stage.shows(said, "secret-refused", "contact-support")
