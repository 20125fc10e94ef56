"""Reading an artefact by what its file is called: .apk, .ipa, .hap or .hsp."""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib import import_module
from pathlib import Path
from typing import Final, cast

from bonafide.artefacts.artefact import Artefact, ArtefactError

_READERS: Final = {
    ".apk": ("android.apk", "read_apk"),
    ".ipa": ("apple.ipa", "read_ipa"),
    ".hap": ("harmony.hap", "read_hap"),
    ".hsp": ("harmony.hap", "read_hap"),
}
_NOT_TAKEN: Final = {
    ".aab": "is an app bundle: register the APKs that the store builds from it.",
    ".apks": "is a set of APKs: unpack it and give each with --from.",
    ".app": "is a set of packages: unpack it and give each .hap with --from.",
}


def read_artefact(path: Path, *, profile_signers: Collection[str] = ()) -> Artefact:
    """Read a built app. Raises :class:`ArtefactError` with one sentence, or ``OSError``.

    ``profile_signers`` are SHA-256 digests (hex) of certificates that may sign the profile of a HarmonyOS package
    besides AppGallery's.
    """
    suffix = path.suffix.lower()
    if suffix in _NOT_TAKEN:
        raise ArtefactError(f"{path.name} {_NOT_TAKEN[suffix]}")
    if suffix not in _READERS:
        raise ArtefactError(f"{path.name} is neither an .apk nor an .ipa nor a .hap.")
    module, reader = _READERS[suffix]
    # Loaded when asked for: commands that read no artefact do without.
    read = cast(Callable[..., Artefact], getattr(import_module(f"{__package__}.{module}"), reader))
    return read(path, profile_signers=profile_signers) if module == "harmony.hap" else read(path)
