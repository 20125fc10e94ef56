"""The device authority: its certificates read by pyca, its folder on disk."""

from __future__ import annotations

import datetime
import stat
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.authority.authority import AuthorityUnreadable, DeviceAuthority

from .conftest import NOW, Drawn


def _certificate(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


def test_authority_chains_link_by_name_and_signature(authority: DeviceAuthority) -> None:
    """Both Apple look-alike chains end in the one root, by pyca's own check."""
    apple, root = authority.apple, _certificate(authority.root_certificate)
    for below, above in (
        (apple.app_attestation_ca.certificate, root),
        (apple.receipt_ca.certificate, root),
        (apple.receipt_signer(NOW).certificate, _certificate(apple.receipt_ca.certificate)),
        (authority.root_certificate, root),
    ):
        _certificate(below).verify_directly_issued_by(above)


def test_authority_has_the_genuine_roles(authority: DeviceAuthority) -> None:
    """P-384 root and attestation CA with path length 0; P-256 receipt family; markers in place."""
    apple, root = authority.apple, _certificate(authority.root_certificate)
    attestation_ca = _certificate(apple.app_attestation_ca.certificate)
    assert [type(c.public_key().curve) for c in (root, attestation_ca)] == [ec.SECP384R1, ec.SECP384R1]  # type: ignore[union-attr]
    constraints = attestation_ca.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value) == (True, x509.BasicConstraints(ca=True, path_length=0))
    assert attestation_ca.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    signer = _certificate(apple.receipt_signer(NOW).certificate)
    assert not signer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    marker = signer.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.2.840.113635.100.12.15"))
    assert marker.value == x509.UnrecognizedExtension(marker.oid, b"\x05\x00")


def test_every_name_says_it_is_software(authority: DeviceAuthority) -> None:
    """No reader of one of these certificates can take it for a vendor's."""
    apple = authority.apple
    certificates = (authority.root, apple.app_attestation_ca, apple.receipt_ca, apple.receipt_signer(NOW))
    for name in (_certificate(issuer.certificate).subject.rfc4514_string() for issuer in certificates):
        assert "Bonafide Software" in name
        assert "not Apple" in name or "not a vendor" in name
        assert "Apple Inc" not in name


def test_receipt_signer_lives_about_a_year_around_its_use(authority: DeviceAuthority) -> None:
    """As with Apple, the signer is valid when it signs and gone two years later."""
    signer = _certificate(authority.apple.receipt_signer(NOW).certificate)
    now = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    assert signer.not_valid_before_utc <= now <= signer.not_valid_after_utc
    assert signer.not_valid_after_utc - signer.not_valid_before_utc < datetime.timedelta(days=400)


def test_same_randomness_gives_the_same_authority(authority: DeviceAuthority) -> None:
    """Keys, serials and signatures all come from what is injected."""
    again = DeviceAuthority.create(Drawn("authority"))
    assert again.root_certificate == authority.root_certificate
    assert again.apple.receipt_signer(NOW).certificate == authority.apple.receipt_signer(NOW).certificate


def test_two_authorities_share_no_key() -> None:
    """Without injection every authority is its own."""
    assert DeviceAuthority.create().root_certificate != DeviceAuthority.create().root_certificate


def test_saved_authority_loads_unchanged_and_private(authority: DeviceAuthority, tmp_path: Path) -> None:
    """What was saved comes back, and no file is readable by others."""
    folder = tmp_path / "deep" / "authority"
    authority.save(folder)
    loaded = DeviceAuthority.load(folder)
    assert loaded.root_certificate_pem == authority.root_certificate_pem
    assert loaded.apple.receipt_signer(NOW).certificate == authority.apple.receipt_signer(NOW).certificate
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert [path.name for path in folder.parent.iterdir()] == ["authority"]


def test_saving_over_an_authority_is_refused(authority: DeviceAuthority, tmp_path: Path) -> None:
    """A root that evidence hangs on is never replaced in passing."""
    authority.save(tmp_path / "a")
    with pytest.raises(FileExistsError):
        DeviceAuthority.create().save(tmp_path / "a")
    assert DeviceAuthority.load(tmp_path / "a").root_certificate == authority.root_certificate


def test_racing_load_or_create_agree_on_one_authority(tmp_path: Path) -> None:
    """Eight threads that start on an empty folder end with the same root."""
    roots: list[bytes] = []
    gate = threading.Barrier(8)

    def start() -> None:
        gate.wait()
        roots.append(DeviceAuthority.load_or_create(tmp_path / "authority").root_certificate)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(roots) == 8
    assert len(set(roots)) == 1


def test_damaged_folder_is_one_clear_error(tmp_path: Path) -> None:
    """A missing or broken file says which folder is unusable."""
    with pytest.raises(AuthorityUnreadable, match="does not hold a device authority"):
        DeviceAuthority.load(tmp_path / "absent")
    (tmp_path / "root.pem").write_text("not a certificate")
    with pytest.raises(AuthorityUnreadable):
        DeviceAuthority.load_or_create(tmp_path)
