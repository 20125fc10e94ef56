"""Artefacts in files, read as the command reads them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import pytest
from attestation.encoding.certificate import read_certificate
from attestation.endorsements import TrustAnchor

from bonafide.artefacts.artefact import Artefact, ArtefactError
from bonafide.artefacts.reading import read_artefact
from bonafide.artefacts.registration import with_artefact
from bonafide.operator.errors import OperatorError
from bonafide.operator.registration import Registration

from .minted_hap import ROOT

Read = Callable[..., Artefact]
Refused = Callable[..., str]
NotTaken = Callable[..., str]


@pytest.fixture(autouse=True)
def _minted_app_gallery(monkeypatch: pytest.MonkeyPatch) -> None:
    """The root that signs for AppGallery is the tests' own; everything below it is judged as in earnest."""
    anchors = (TrustAnchor.of(read_certificate(ROOT.der)),)
    monkeypatch.setattr("bonafide.artefacts.harmony.profile_signer.app_gallery_roots", lambda: anchors)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads bytes as a file of that name."""

    def reading(content: bytes, name: str = "app.apk", *, profile_signers: Collection[str] = ()) -> Artefact:
        path = tmp_path / name
        path.write_bytes(content)
        return read_artefact(path, profile_signers=profile_signers)

    return reading


@pytest.fixture
def refused(read: Read) -> Refused:
    """The one sentence with which bytes are refused."""

    def refusing(content: bytes, name: str = "app.apk", **stated: object) -> str:
        with pytest.raises(ArtefactError) as error:
            read(content, name, **stated)
        sentence = str(error.value)
        assert sentence.endswith(".")
        assert "\n" not in sentence
        return sentence

    return refusing


@pytest.fixture
def not_taken(read: Read) -> NotTaken:
    """The sentence with which a poisoned file is refused for an app that is registered from the genuine one: when it is
    read, or when it is folded into the registration without ``--new-identity``."""

    def trying(poisoned: bytes, *, genuine: bytes | None, name: str = "app.apk") -> str:
        stands = Registration(app="demo")
        if genuine is not None:
            stands = with_artefact(stands, read(genuine, name))
        with pytest.raises(OperatorError) as error:
            with_artefact(stands, read(poisoned, name))
        sentence = str(error.value)
        assert "\n" not in sentence
        return sentence

    return trying
