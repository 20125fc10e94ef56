"""Signed notes, checkpoints and keys, and the root's word for one."""

from __future__ import annotations

import base64

import pytest
from bonafide_tokens.signing import public_key_of
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from service.ledger.endorsement import Endorsement, read_endorsement, sign_endorsement
from service.ledger.merkle import EMPTY_ROOT
from service.ledger.notes import Checkpoint, NoteRejected, open_note, read_checkpoint, read_key, signed_note

from tests.ledger.memory import KEY, ORIGIN, PRIVATE

# The note that Go's package golang.org/x/mod/sumdb/note is documented with.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SAYS = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE = (
    f"{SAYS}\n— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
HEAD = Checkpoint(ORIGIN, 7, EMPTY_ROOT)
SIGNED = signed_note(HEAD.text, KEY, PRIVATE.sign)
ROOT = ec.generate_private_key(ec.SECP256R1())


def by_root(digest: bytes) -> bytes:
    return ROOT.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))


def test_note_of_another_implementation_is_read() -> None:
    assert open_note(NOTE, read_key(PETER)) == SAYS
    assert str(read_key(PETER)) == PETER


def test_key_is_written_as_verifiers_take_it() -> None:
    assert read_key(f"{KEY}\n") == KEY
    assert read_key("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8").id.hex() == "033de0ae"


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "a+b", "a b+00000000+AQ==", f"x{KEY}", str(KEY)[:-1], str(KEY).replace("+", "-", 1),
        *(str(KEY._replace(name=name)) for name in ("a\x1b[8m", "a\x7f", "a\u202e", "ledgér", "a\x9b8m", "a" * 257)),
        f"{ORIGIN}+{KEY.id.hex()}+{base64.b64encode(bytes([2]) + KEY.public).decode()}",
    ],
)  # fmt: skip
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(NoteRejected):
        read_key(text)


def test_checkpoint_is_read_back() -> None:
    assert read_checkpoint(SIGNED, KEY) == HEAD


def test_signatures_of_others_are_passed_over() -> None:
    """Witnesses add theirs, before or behind the log's own."""
    other = f"— witness.example {base64.b64encode(bytes(72)).decode()}\n"
    text, signature = SIGNED.split("\n\n")

    assert read_checkpoint(SIGNED + other, KEY) == HEAD
    assert read_checkpoint(f"{text}\n\n{other}{signature}", KEY) == HEAD
    with pytest.raises(NoteRejected, match="not signed by this key"):
        read_checkpoint(f"{text}\n\n{other}", KEY)


def test_every_changed_character_is_refused() -> None:
    for place in range(len(SIGNED)):
        changed = SIGNED[:place] + ("B" if SIGNED[place] != "B" else "C") + SIGNED[place + 1 :]
        with pytest.raises(NoteRejected):
            read_checkpoint(changed, KEY)
        with pytest.raises(NoteRejected):
            read_checkpoint(SIGNED[:place], KEY)


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n7\n", f"{ORIGIN}\n07\nAAAA\n", f"{ORIGIN}\n-7\n{HEAD.text.split()[2]}\n", f"{ORIGIN}\n7\nAAAA\n",
        HEAD.text.replace(ORIGIN, "another.example"), f"{HEAD.text}\n\nx\n", "\n", HEAD.text.replace("=", ""),
    ],
)  # fmt: skip
def test_signed_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteRejected):
        read_checkpoint(signed_note(text, KEY, PRIVATE.sign), KEY)


def test_extension_lines_are_passed_over() -> None:
    assert read_checkpoint(signed_note(f"{HEAD.text}more\n", KEY, PRIVATE.sign), KEY) == HEAD


def test_endorsement_names_the_key_by_the_root() -> None:
    given = Endorsement("demo", KEY, 1_780_000_000)
    text = sign_endorsement(given, sign=by_root)
    other = ec.generate_private_key(ec.SECP256R1())

    assert read_endorsement(f"{text}\n", [public_key_of(other), public_key_of(ROOT)]) == given
    with pytest.raises(NoteRejected, match="not signed by the root key"):
        read_endorsement(text, [public_key_of(other)])
    with pytest.raises(NoteRejected, match="not signed by the root key"):
        read_endorsement(text, [])
    for wrong in ("", "a.b.c", text[:-4], text.replace(".", "..", 1)):
        with pytest.raises(NoteRejected):
            read_endorsement(wrong, [public_key_of(ROOT)])
