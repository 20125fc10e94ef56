"""Huawei's roots: the files are those of the provenance table, and each serves its purposes alone."""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from importlib.resources import files
from typing import Any

import pytest
from attestation.encoding.certificate import certificates_from_pem
from attestation.endorsements import Endorsements, TrustAnchor, pinned_endorsements
from attestation.harmony.simulator import ROOT_DIGEST, ROOT_SPKI_DIGEST, is_simulator_root
from bonafide_tokens.jose import b64url_decode

from tests.real_cases import real_case

FOLDER = files("attestation").joinpath("trust_anchors")
ROW = re.compile(r"^\| `(huawei-[a-z0-9-]+)\.pem` .* `([0-9a-f]{64})` \| `([0-9a-f]{64})` \|$", re.MULTILINE)
ROWS = ROW.findall(FOLDER.joinpath("README.md").read_text("utf-8"))

ROOT, G2, ATTESTATION_1, EQUIPMENT_3 = (
    "huawei-cbg-root-ca",
    "huawei-cbg-root-ca-g2",
    "huawei-cbg-ecc-device-attestation-root-ca-1",
    "huawei-cbg-ecc-equipment-root-ca-3",
)
PURPOSES = {
    "harmony_anonymous": (ATTESTATION_1,),
    "harmony_non_anonymous": (G2, EQUIPMENT_3),
    "harmony_hms": (ROOT,),
    "harmony_next": (G2,),
    "harmony_enhanced": (ATTESTATION_1,),
    "harmony_simulator": (),
}


def anchors(name: str) -> tuple[TrustAnchor, ...]:
    text = FOLDER.joinpath(f"{name}.pem").read_text("ascii")
    return tuple(TrustAnchor.of(certificate) for certificate in certificates_from_pem(text))


def test_provenance_table_names_the_four_files() -> None:
    """A file without a row has no provenance."""
    assert {row[0] for row in ROWS} == {ROOT, G2, ATTESTATION_1, EQUIPMENT_3}


@pytest.mark.parametrize(("name", "certificate_digest", "spki_digest"), ROWS, ids=lambda value: value[:32])
def test_file_is_the_one_of_the_table(name: str, certificate_digest: str, spki_digest: str) -> None:
    """One certificate, with both digests of its row."""
    (certificate,) = certificates_from_pem(FOLDER.joinpath(f"{name}.pem").read_text("ascii"))
    assert sha256(certificate.raw).hexdigest() == certificate_digest
    assert sha256(certificate.spki).hexdigest() == spki_digest


@pytest.mark.parametrize(("purpose", "names"), PURPOSES.items(), ids=PURPOSES)
def test_root_is_pinned_for_its_purposes_alone(purpose: str, names: tuple[str, ...]) -> None:
    """Merging the roots would let a phone's or a developer's certificate sign for another service."""
    expected = tuple(anchor for name in names for anchor in anchors(name))
    assert getattr(pinned_endorsements(), purpose) == expected


def test_no_pinned_root_is_the_simulators() -> None:
    """Its CA keys are public."""
    pinned = pinned_endorsements()
    spkis = [anchor.spki for purpose in PURPOSES for anchor in getattr(pinned, purpose)]
    assert spkis
    assert not any(map(is_simulator_root, spkis))


def test_simulator_root_of_openharmony_is_the_one_we_know() -> None:
    """Both digests, against the root that OpenHarmony's own code puts into its chains."""
    case = real_case("harmony", "huks/openharmony-simulator-under-production-roots")
    root = simulator_root(case)
    assert sha256(root).hexdigest() == ROOT_DIGEST
    (certificate,) = certificates_from_pem(to_pem(root))
    assert sha256(certificate.spki).hexdigest() == ROOT_SPKI_DIGEST


def test_simulator_root_is_no_development_anchor() -> None:
    """It cannot slip in among the test roots."""
    case = real_case("harmony", "huks/openharmony-simulator-under-production-roots")
    (certificate,) = certificates_from_pem(to_pem(simulator_root(case)))
    with pytest.raises(ValueError, match="simulator"):
        pinned_endorsements().with_development_anchors([TrustAnchor.of(certificate)])


def test_simulator_switch_takes_that_root_alone() -> None:
    """The switch does not admit some other root under the same relaxations."""
    other = certificates_from_pem(FOLDER.joinpath(f"{G2}.pem").read_text("ascii"))[0]
    with pytest.raises(ValueError, match="not the root"):
        pinned_endorsements().with_openharmony_simulator(other.raw)


def test_simulator_switch_adds_the_root_and_nothing_else() -> None:
    """Every other purpose keeps the anchors it had."""
    case = real_case("harmony", "huks/openharmony-simulator-under-production-roots")
    switched = pinned_endorsements().with_openharmony_simulator(simulator_root(case))
    assert [is_simulator_root(anchor.spki) for anchor in switched.harmony_simulator] == [True]
    for name in Endorsements.__dataclass_fields__:
        if name != "harmony_simulator":
            assert getattr(switched, name) == getattr(pinned_endorsements(), name)


def simulator_root(case: dict[str, Any]) -> bytes:
    return b64url_decode(case["evidence"]["certificate_chain"][-1])


def to_pem(certificate: bytes) -> str:
    body = base64.encodebytes(certificate).decode("ascii")
    return f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"
