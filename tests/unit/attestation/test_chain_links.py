"""Every link of a path is verified, whatever the path's length, and every issuer's key is of an allowed size."""

from __future__ import annotations

import pytest
from attestation.encoding.certificate import Certificate
from attestation.encoding.chain import MAX_PATH, LinkCache, below_anchor, issuer_key, verify_path
from attestation.errors import AttestationError, Reason, RejectedEvidence
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from devkit.devices.authority.certificate_template import basic_constraints, name, spki_of

from .minting import ANCHOR, NOW, ROOT, ROOT_KEY, ROOT_NAME, key_of, minted, template

STRANGER = key_of(99)


def chain(below_root: int, forged: int | None = None) -> list[Certificate]:
    """That many certificates below the root, leaf first; the ``forged`` one is signed by a stranger, names and all."""
    keys = [key_of(10 + index) for index in range(below_root)]
    names = [name(("CN", f"certificate {index}")) for index in range(below_root)]
    certificates = []
    for index in range(below_root):
        top = index + 1 == below_root
        draft = template(
            issuer=ROOT_NAME if top else names[index + 1],
            subject=names[index],
            spki=spki_of(keys[index]),
            extensions=(basic_constraints(ca=index > 0),),
            digest="sha384" if top else "sha256",
        )
        signer = ROOT_KEY if top else keys[index + 1]
        certificates.append(minted(draft, STRANGER if index == forged else signer))
    return certificates


def refusal(certificates: list[Certificate], links: LinkCache) -> Reason:
    with pytest.raises(AttestationError) as error:
        verify_path(certificates, anchors=(ANCHOR,), now=NOW, links=links)
    return error.value.reason


LENGTHS = range(1, MAX_PATH)


@pytest.mark.parametrize("root", [False, True], ids=["no-root", "root"])
@pytest.mark.parametrize("below_root", LENGTHS)
def test_path_of_every_length_holds(below_root: int, root: bool) -> None:
    """The default that each forged link below changes in one place."""
    certificates = chain(below_root) + [ROOT] * root
    assert verify_path(certificates, anchors=(ANCHOR,), now=NOW, links=LinkCache()) == ANCHOR
    assert list(below_anchor(certificates, ANCHOR)) == chain(below_root)


def test_chain_of_the_root_alone_is_what_was_sent() -> None:
    """There is nothing below it, and a chain never becomes empty."""
    assert list(below_anchor([ROOT], ANCHOR)) == [ROOT]


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("root", [False, True], ids=["no-root", "root"])
@pytest.mark.parametrize(
    ("below_root", "forged"), [(length, index) for length in LENGTHS for index in range(length)], ids=str
)
def test_forged_link_at_every_place_is_refused(below_root: int, forged: int, root: bool, warm: bool) -> None:
    """A loop that skips every second link lets a forged leaf of a path of three pass, and no other test says so."""
    links = LinkCache()
    if warm:
        verify_path(chain(below_root), anchors=(ANCHOR,), now=NOW, links=links)
    expected = Reason.ANCHOR_UNKNOWN if forged + 1 == below_root else Reason.CHAIN_SIGNATURE
    assert refusal(chain(below_root, forged) + [ROOT] * root, links) is expected


def rsa_spki(bits: int) -> bytes:
    """An RSA key of that size, as far as can be seen without its factors."""
    numbers = rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) + 1)
    return numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("bits", [2048, 3072, 4096, 8192])
def test_rsa_issuer_of_an_allowed_size_is_loaded(bits: int) -> None:
    """Google's roots have 4096 bits."""
    key = issuer_key(rsa_spki(bits))
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == bits


@pytest.mark.parametrize("bits", [1024, 2047, 8193, 8200, 16_384])
def test_rsa_issuer_of_another_size_is_refused(bits: int) -> None:
    """Below: forgeable. Above: a request that costs us more than its sender."""
    with pytest.raises(RejectedEvidence) as error:
        issuer_key(rsa_spki(bits))
    assert error.value.reason is Reason.CHAIN_ALGORITHM
    assert str(bits) in error.value.detail


@pytest.mark.parametrize("curve", [ec.SECP224R1(), ec.SECP256K1(), ec.BrainpoolP256R1()])
def test_issuer_on_another_curve_is_refused(curve: ec.EllipticCurve) -> None:
    """Weak, or no root at all."""
    spki = ec.derive_private_key(12345, curve).public_key()
    with pytest.raises(RejectedEvidence) as error:
        issuer_key(spki.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    assert error.value.reason is Reason.CHAIN_ALGORITHM
