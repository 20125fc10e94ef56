"""Which certificate of a stored chain Google gave to one device alone: enrolments are bounded by it."""

from __future__ import annotations

from attestation.claims import AndroidClaims

from tests.unit.android.scene import Scene, claims_of


def _of(release: str) -> AndroidClaims:
    android = claims_of(Scene.default(release)).android
    assert android is not None
    return android


def test_remotely_provisioned_chain_names_its_device_certificate() -> None:
    """Below two CAs of Google's; the leaf, of serial 1, is not among the serials."""
    android = _of("galaxy-s24")
    assert android.provisioning == "rkp"
    assert android.device_certificate == android.chain_serials[0] == android.chain_serials[-3]


def test_batch_of_a_factory_chain_is_no_device() -> None:
    """Thousands share it: a bound by it would shut out their owners."""
    android = _of("pixel-5")
    assert android.provisioning == "factory"
    assert android.device_certificate is None
