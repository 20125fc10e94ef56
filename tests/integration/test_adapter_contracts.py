"""What every adapter promises, held against fakes, moto and ministack alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from attestation.appraisal.signal_history import SignalHistory
from attestation.errors import Reason
from attestation.reference_values import Environment
from bonafide_tokens.signing import sign_trust_bundle
from bonafide_tokens.trust_bundle import open_trust_bundle
from service.errors import Reason as ServiceReason
from service.errors import Unavailable
from service.tables.attested_keys import EnrolledKey
from service.tables.signing_keys import Purpose, StoredKey

from bonafide.operator.registration import Registration
from tests.integration.enrolled_keys import NOW, bundle, challenge, enrolled_key, refusal, renewed
from tests.minted_claims import changed_claims
from tests.service_stack.memory_stack import APP_ID, ISSUER
from tests.service_stack.worlds import MemoryWorld, World

"""Ahead of the real clock: ministack deletes rows, as TTL does, that have expired by it."""


# --- apps -----------------------------------------------------------------------------------------------------------


def test_registered_app_is_found_as_it_was_registered(world: World) -> None:
    """What ``bonafide app register`` writes is what the service reads."""
    world.register(
        Registration(
            app="shop",
            apple_app_ids=("ABCDE12345.org.example.shop", "ZZZZZ12345.org.example.shop"),
            apple_environments=("production", "development"),
            audiences=("orders", "payments"),
        )
    )
    found = world.apps.find("shop")
    assert found is not None
    assert (found.app, found.audiences) == ("shop", ("orders", "payments"))
    apple = found.reference_values.apple
    assert apple is not None
    assert apple.app_ids == ("ABCDE12345.org.example.shop", "ZZZZZ12345.org.example.shop")
    assert apple.environments == {Environment.PRODUCTION, Environment.DEVELOPMENT}


def test_app_without_audiences_has_none(world: World) -> None:
    """It takes the stack's default, which the token issuer knows."""
    world.register(Registration(app="shop", apple_app_ids=(APP_ID,)))
    found = world.apps.find("shop")
    assert found is not None
    assert found.audiences == ()


def test_unregistered_app_is_none(world: World) -> None:
    """Absent is an answer, not an error."""
    assert world.apps.find("nobody") is None


# --- redemption and attested keys -----------------------------------------------------------------------------------


def test_enrolling_spends_the_nonce_and_stores_the_key(world: World) -> None:
    """Both, in one transaction; what is stored comes back equal, but for the receipt, which has a row of its own."""
    opened, key = challenge(), enrolled_key(receipt=b"Apple's")
    assert world.attested_keys.find(key.key_id) is None
    assert not world.redemption.is_spent(opened)
    world.redemption.enrol(opened, key)
    assert world.redemption.is_spent(opened)
    assert world.attested_keys.find(key.key_id) == replace(key, receipt=None)


def test_key_without_receipt_or_counter_is_stored(world: World) -> None:
    """Formats other than Apple's have neither."""
    key = enrolled_key(receipt=None, counter=None)
    key = replace(key, claims=changed_claims(key.claims, counter=None, apple=None, findings=()))
    world.redemption.enrol(challenge(), key)
    assert world.attested_keys.find(key.key_id) == key


def test_spent_nonce_enrols_nothing(world: World) -> None:
    """The attack: one challenge for two keys."""
    opened, key = challenge(), enrolled_key()
    world.redemption.enrol(opened, enrolled_key())
    assert refusal(world, "enrol", opened, key) is ServiceReason.CHALLENGE_SPENT


def test_known_key_does_not_enrol_again(world: World) -> None:
    """The attack: one key on many installs. The challenge stays unspent."""
    key = enrolled_key()
    world.redemption.enrol(challenge(), key)
    assert refusal(world, "enrol", challenge(), replace(key, app="shop")) is ServiceReason.KEY_ALREADY_ENROLLED


def test_spent_nonce_and_known_key_is_a_known_key(world: World) -> None:
    """Another challenge would be of no use: the key is enrolled, and renews."""
    opened, key = challenge(), enrolled_key()
    world.redemption.enrol(opened, key)
    assert refusal(world, "enrol", opened, key) is ServiceReason.KEY_ALREADY_ENROLLED


def test_renewing_moves_the_counter_claims_and_dates(world: World) -> None:
    """And leaves everything else of the row alone."""
    key = enrolled_key()
    world.redemption.enrol(challenge(), key)
    newer, opened = renewed(key, 7), challenge()
    world.redemption.renew(opened, newer)
    assert world.redemption.is_spent(opened)
    assert world.attested_keys.find(key.key_id) == newer


@pytest.mark.parametrize("counter", [7, 6, 0])
def test_counter_that_does_not_grow_is_refused(world: World, counter: int) -> None:
    """The attack: a replayed or cloned signature; equal is not greater."""
    key = enrolled_key()
    world.redemption.enrol(challenge(), key)
    world.redemption.renew(challenge(), renewed(key, 7))
    assert refusal(world, "renew", challenge(), renewed(key, counter)) is Reason.COUNTER_NOT_GREATER


def test_key_without_a_counter_renews_by_its_nonce_alone(world: World) -> None:
    """Android and HarmonyOS keys have none: the spent challenge makes each signature good once."""
    key = enrolled_key(counter=None)
    key = replace(key, claims=changed_claims(key.claims, counter=None))
    world.redemption.enrol(challenge(), key)
    opened, newer = challenge(), replace(key, last_seen=key.last_seen + 60)
    world.redemption.renew(opened, newer)
    assert world.attested_keys.find(key.key_id) == newer
    assert refusal(world, "renew", opened, newer) is ServiceReason.CHALLENGE_SPENT


def test_key_with_a_counter_does_not_renew_without_it(world: World) -> None:
    """The attack: a renewal in a format that knows no counter, to replay an App Attest key."""
    key = enrolled_key()
    world.redemption.enrol(challenge(), key)
    assert refusal(world, "renew", challenge(), replace(key, counter=None)) is Reason.KEY_OTHER_PLATFORM


def a_note(key: EnrolledKey, **changes: Any) -> SignalHistory:
    noted = SignalHistory(
        at=int(NOW),
        findings=("signal-hooking",),
        claims=changed_claims(key.claims, os_version="17"),
        signals={"hooking": int(NOW), "\u4e2d": 1},
    )
    return replace(noted, **changes)


def test_note_on_a_key_comes_back_and_changes_nothing_else(world: World) -> None:
    """No nonce, no counter, no date; and a renewal leaves it where it is, whatever it read."""
    key = enrolled_key()
    world.redemption.enrol(challenge(), key)
    assert world.attested_keys.note(key, a_note(key))
    assert world.attested_keys.find(key.key_id) == replace(key, noted=a_note(key))
    world.redemption.renew(challenge(), renewed(key, 7))
    assert world.attested_keys.find(key.key_id) == replace(renewed(key, 7), noted=a_note(key))


def test_second_note_takes_the_place_of_the_one_it_was_made_from(world: World) -> None:
    """Two refusals at the same moment: the slower one learns that it lost, and overwrites nothing."""
    key = enrolled_key(counter=None)
    key = replace(key, claims=changed_claims(key.claims, counter=None))
    world.redemption.enrol(challenge(), key)
    first, second = a_note(key), a_note(key, revision=2, claims=None)
    assert world.attested_keys.note(key, first)
    assert not world.attested_keys.note(key, a_note(key, at=7))
    noted = replace(key, noted=first)
    assert world.attested_keys.note(noted, second)
    assert not world.attested_keys.note(noted, a_note(key, revision=2, at=7))
    assert world.attested_keys.find(key.key_id) == replace(key, noted=second)


def test_note_on_an_unknown_key_makes_none(world: World) -> None:
    """A key that was forgotten meanwhile, or another app's."""
    key = enrolled_key()
    assert not world.attested_keys.note(key, a_note(key))
    assert world.attested_keys.find(key.key_id) is None
    world.redemption.enrol(challenge(), key)
    assert not world.attested_keys.note(replace(key, app="shop"), a_note(key))


def test_spent_nonce_renews_nothing(world: World) -> None:
    """The attack: one challenge, many signatures."""
    opened, key = challenge(), enrolled_key()
    world.redemption.enrol(opened, key)
    assert refusal(world, "renew", opened, renewed(key, 1)) is ServiceReason.CHALLENGE_SPENT


def test_nonce_is_spent_across_enrolling_and_renewing(world: World) -> None:
    """There is one table of nonces, whatever they buy."""
    opened, key = challenge(), enrolled_key()
    world.redemption.enrol(challenge(), key)
    world.redemption.renew(opened, renewed(key, 1))
    assert refusal(world, "enrol", opened, enrolled_key()) is ServiceReason.CHALLENGE_SPENT


def test_unknown_key_does_not_renew(world: World) -> None:
    """An update must not create a row."""
    key = enrolled_key()
    assert refusal(world, "renew", challenge(), renewed(key, 1)) is ServiceReason.KEY_UNKNOWN


def test_key_of_another_app_does_not_renew(world: World) -> None:
    """The row's app decides, not the caller's."""
    key = enrolled_key()
    world.redemption.enrol(challenge(), key)
    assert refusal(world, "renew", challenge(), renewed(key, 1, app="shop")) is ServiceReason.KEY_OTHER_APP


def test_expired_key_does_not_renew(world: World) -> None:
    """TTL deletes late; the condition does not wait for it."""
    key = enrolled_key()
    world.redemption.enrol(challenge(), key)
    late = renewed(key, 1, last_seen=key.expires_at)
    assert refusal(world, "renew", challenge(), late) is ServiceReason.KEY_UNKNOWN


# --- signing keys ---------------------------------------------------------------------------------------------------


def stored_key(number: int, purpose: Purpose = Purpose.TOKEN, **changes: object) -> StoredKey:
    key = StoredKey(
        kid=f"{purpose.value}-{number}",
        purpose=purpose,
        wrapped=bytes(range(200)),
        public_jwk={"kty": "EC", "crv": "P-256", "x": "x", "y": "y"} if purpose is Purpose.TOKEN else None,
        created_at=int(NOW),
    )
    return replace(key, **changes)  # type: ignore[arg-type]


def rows(world: World) -> dict[str, StoredKey]:
    return {key.kid: key for key in world.signing_keys.all()}


def test_stored_keys_come_back_equal(world: World) -> None:
    """Announced, active and of both purposes."""
    keys = (stored_key(1), stored_key(1, Purpose.CHALLENGE, active_from=5, retired_at=9), stored_key(10))
    assert all(world.signing_keys.add(key) for key in keys)
    assert rows(world) == {key.kid: key for key in keys}


def test_kid_that_is_taken_is_not_overwritten(world: World) -> None:
    """Two rotations at the same moment make one key, and retire the old one once."""
    world.signing_keys.add(stored_key(1, active_from=1))
    assert world.signing_keys.add(stored_key(2), retiring={"token-1": 100})
    assert not world.signing_keys.add(stored_key(2, wrapped=b"rival"), retiring={"token-1": 200})
    assert rows(world) == {"token-1": stored_key(1, active_from=1, retired_at=100), "token-2": stored_key(2)}


def test_key_that_vanished_stops_the_whole_step(world: World) -> None:
    """All or nothing: no new key without retiring the old one."""
    assert not world.signing_keys.add(stored_key(2), retiring={"token-1": 100})
    assert rows(world) == {}


def test_announced_key_is_activated_once(world: World) -> None:
    """The first activation decides when; a second changes nothing."""
    for number in (1, 2):
        world.signing_keys.add(stored_key(number))
    assert world.signing_keys.activate("token-2", 50, retiring={"token-1": 100})
    assert not world.signing_keys.activate("token-2", 60, retiring={"token-1": 200})
    assert not world.signing_keys.activate("token-3", 60, retiring={})
    assert (rows(world)["token-2"].active_from, rows(world)["token-1"].retired_at) == (50, 100)


def test_date_of_retirement_is_never_moved(world: World) -> None:
    """A key that retires at one time must not live on because of a later rotation."""
    world.signing_keys.add(stored_key(1, retired_at=70))
    world.signing_keys.add(stored_key(2), retiring={"token-1": 100})
    assert rows(world)["token-1"].retired_at == 70


def test_removed_key_is_gone(world: World) -> None:
    """Also when it is removed twice."""
    world.signing_keys.add(stored_key(1))
    world.signing_keys.remove("token-1")
    world.signing_keys.remove("token-1")
    assert rows(world) == {}


# --- trust bundles --------------------------------------------------------------------------------------------------


def test_latest_bundle_is_the_highest_number(world: World) -> None:
    """Ten comes after nine, and other issuers do not matter."""
    assert world.trust_bundles.latest(ISSUER) is None
    for version in (9, 10, 8):
        assert world.trust_bundles.add(bundle(version), f"jws-{version}")
    assert world.trust_bundles.add(bundle(99, "other"), "jws-of-another")
    latest = world.trust_bundles.latest(ISSUER)
    assert latest is not None
    assert (latest.version, latest.jws) == (10, "jws-10")
    assert (latest.issued_at, latest.expires_at) == (NOW, NOW + 21_600)
    assert '"kid":"token-1"' in latest.jwks
    assert world.trust_bundles.latest(ISSUER, above=9) == latest
    assert world.trust_bundles.latest(ISSUER, above=10) is None


def test_version_that_is_taken_is_not_overwritten(world: World) -> None:
    """The slower publisher must take the next number."""
    assert world.trust_bundles.add(bundle(1), "first")
    assert not world.trust_bundles.add(bundle(1), "second")
    latest = world.trust_bundles.latest(ISSUER)
    assert latest is not None
    assert latest.jws == "first"


# --- KMS ------------------------------------------------------------------------------------------------------------


def test_wrapped_secret_comes_back_for_its_kid_only(world: World) -> None:
    """The attack: a row copied over another row's kid."""
    wrapped = world.wrapping.wrap("token-1", b"secret" * 20)
    assert b"secret" not in wrapped
    assert world.wrapping.unwrap("token-1", wrapped) == b"secret" * 20
    with pytest.raises(Unavailable):
        world.wrapping.unwrap("token-2", wrapped)


def test_root_key_signs_what_its_public_half_opens(world: World, request: pytest.FixtureRequest) -> None:
    """KMS Sign with MessageType=DIGEST, checked offline. moto hashes the digest once more, so it is left out."""
    if "moto" in request.node.callspec.id:
        pytest.skip("moto's DIGEST signatures are wrong (LOCAL_STACK.md §6)")
    jws = sign_trust_bundle(bundle(1), sign=world.root_key.sign)
    assert open_trust_bundle(jws, root_key=world.root_key.public_key(), issuer=ISSUER, now=NOW) == bundle(1)


def test_worlds_are_what_they_are_called(world: World, request: pytest.FixtureRequest) -> None:
    """A fixture that silently fell back to the fakes would prove nothing."""
    assert isinstance(world, MemoryWorld) is ("memory" in request.node.callspec.id)
