"""`make hpke-oracle`: RFC 9180's vectors as PyPI's ``cryptography_vectors`` has them, and 100,000 changed messages.

``python -m tests.sealing.oracle FOLDER`` reads the wheel in FOLDER and ends with an error for anything that differs.
"""

from __future__ import annotations

import json
import sys
import time
import zipfile
from pathlib import Path

from tests.sealing.checks import WHOLE, check_rfc_vector, mutations
from tests.sealing.hpke_by_hand import AEAD, KDF, KEM

_FILE = "cryptography_vectors/HPKE/test-vectors.json"


def main(folder: str) -> None:
    (wheel,) = Path(folder).glob("cryptography_vectors-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        every = json.loads(packed.read(_FILE))
    ours = {"mode": 0, "kem_id": KEM, "kdf_id": KDF, "aead_id": AEAD}
    vectors = [one for one in every if {name: one[name] for name in ours} == ours]
    for vector in vectors:
        check_rfc_vector(vector)
    encryptions = sum(len(vector["encryptions"]) for vector in vectors)
    if not encryptions:
        raise SystemExit("no vector of this suite")
    print(f"RFC 9180: {len(vectors)} vector of this suite, {encryptions} encryptions, as written")
    begin = time.monotonic()
    opened = mutations(2, WHOLE)
    print(f"changed messages: {opened} of {WHOLE:,} opened, in {time.monotonic() - begin:.0f} s")
    if opened:
        raise SystemExit(1)


if __name__ == "__main__":
    main(sys.argv[1])
