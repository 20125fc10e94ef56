"""The bound on enrolments per device certificate, day and app: in memory, on moto, and raced on ministack."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from attestation.claims import AndroidClaims, KeyStorage, Platform, key_id_of
from attestation.reference_values import Environment
from bonafide_tokens.signing import public_key_of
from cryptography.hazmat.primitives.asymmetric import ec
from service.errors import Reason, Rejected, Unavailable
from service.redemption import Redemption
from service.tables.attested_keys import EnrolledKey, Enrolment

from tests.integration.enrolled_keys import NOW, challenge
from tests.minted_claims import minted_claims
from tests.service_stack.worlds import AwsWorld, World

DAY = 86_400
CERTIFICATE = ("5f9d0fa2c3b1", "850af6facee6", "388266760658")
"""Serials of a remotely provisioned chain: the device's certificate, and Google's two CAs."""


def key_of(serials: tuple[str, ...] = CERTIFICATE, *, provisioning: str = "rkp", **changes: object) -> EnrolledKey:
    """A new key of an Android phone."""
    public_key = public_key_of(ec.generate_private_key(ec.SECP256R1())).point
    android = AndroidClaims(
        attestation_version=300,
        keymint_version=300,
        security_level=1,
        key_security_level=1,
        provisioning=provisioning,
        verified_boot_state="verified",
        device_locked=True,
        verified_boot_key="00",
        boot_key_listed=False,
        origin=0,
        purposes=(2,),
        key_algorithm="ec-p256",
        user_authentication=False,
        packages=("org.example.demo",),
        package_version=1,
        signing_digests=(),
        chain_serials=serials,
    )
    claims = minted_claims(
        format="android-key-attestation",
        platform=Platform.ANDROID,
        app_id="org.example.demo",
        public_key=public_key,
        key_storage=KeyStorage.TEE,
        environment=Environment.PRODUCTION,
        chain_profile="strict",
        android=android,
    )
    key = EnrolledKey(
        key_id=key_id_of(public_key),
        app="demo",
        claims=claims,
        counter=None,
        receipt=None,
        enrolled_at=int(NOW),
        last_seen=int(NOW),
        expires_at=int(NOW) + 1000,
    )
    return replace(key, **changes)  # type: ignore[arg-type]


def refused(redemption: Redemption, key: EnrolledKey) -> Reason:
    """Why the key may not enrol; its challenge stays good."""
    opened = challenge()
    with pytest.raises(Rejected) as refusal:
        redemption.enrol(opened, key)
    assert not redemption.is_spent(opened)
    return refusal.value.reason


def test_bound_is_of_one_certificate_app_and_day(world: World) -> None:
    """The third is refused, and no other is."""
    redemption = world.bounded_redemption(2)
    for _ in range(2):
        assert redemption.enrol(challenge(), key_of())
    third = key_of()
    assert refused(redemption, third) is Reason.DEVICE_ENROLMENTS
    assert world.attested_keys.find(third.key_id) is None
    assert redemption.enrol(challenge(), key_of(("77", *CERTIFICATE[1:])))
    assert redemption.enrol(challenge(), key_of(app="shop"))
    assert redemption.enrol(challenge(), key_of(enrolled_at=int(NOW) + DAY, last_seen=int(NOW) + DAY))
    # A leaf whose own serial counts stands below the device's certificate, and changes nothing.
    assert refused(redemption, key_of(("c35747a084470c3135aeefe2b8d40cd6", *CERTIFICATE))) is Reason.DEVICE_ENROLMENTS


@pytest.mark.parametrize("provisioning", ["factory", "unknown"])
def test_certificates_that_phones_share_are_not_bounded(world: World, provisioning: str) -> None:
    """Thousands of honest phones have a factory chain's certificates."""
    redemption = world.bounded_redemption(1)
    for _ in range(3):
        assert redemption.enrol(challenge(), key_of(provisioning=provisioning))


def test_nothing_is_bounded_by_default(world: World) -> None:
    """An operator sets the number."""
    for _ in range(12):
        assert world.redemption.enrol(challenge(), key_of())
        assert world.bounded_redemption(0).enrol(challenge(), key_of())


def test_refused_enrolment_counts_nothing(world: World) -> None:
    """A spent challenge, a key that is known: the phone still has what it had."""
    redemption = world.bounded_redemption(2)
    opened, first = challenge(), key_of()
    assert redemption.enrol(opened, first)
    for opened_again, key in ((opened, key_of()), (challenge(), first)):
        with pytest.raises(Rejected):
            redemption.enrol(opened_again, key)
    assert redemption.enrol(challenge(), key_of())
    assert refused(redemption, key_of()) is Reason.DEVICE_ENROLMENTS


def test_request_whose_answer_was_lost_is_answered_at_the_bound(world: World) -> None:
    """It was counted when it was stored."""
    redemption = world.bounded_redemption(1)
    opened = challenge()
    key = key_of(enrolment=Enrolment(opened.nonce, bytes(32)))
    assert redemption.enrol(opened, key)
    assert not redemption.enrol(opened, key)


@pytest.mark.ministack
def test_of_racing_enrolments_no_more_than_the_bound_get_through(ministack: AwsWorld) -> None:
    """The attack: a farm that enrols everything at once. A request that met others too often may try again."""
    redemption, limit, racers = ministack.bounded_redemption(5), 5, 24
    line = Barrier(racers)

    def race(key: EnrolledKey) -> str:
        line.wait(timeout=60)
        for _ in range(50):
            try:
                redemption.enrol(challenge(), key)
            except Rejected as error:
                return error.reason.value
            except Unavailable as error:  # conflicts outlasted the redemption's own attempts
                outcome = repr(error)
            else:
                return "enrolled"
        return outcome

    keys = [key_of() for _ in range(racers)]
    with ThreadPoolExecutor(max_workers=racers) as pool:
        outcomes = Counter(pool.map(race, keys))
    assert outcomes == {"enrolled": limit, Reason.DEVICE_ENROLMENTS.value: racers - limit}
    assert sum(ministack.attested_keys.find(key.key_id) is not None for key in keys) == limit
