"""Distinguished names: comparing them, and showing them to people (RFC 5280 §7.1, RFC 4514)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from attestation.encoding import der
from attestation.errors import MalformedEvidence, Reason

_LABELS: Final = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "1.2.840.113549.1.9.1": "emailAddress",
}
# String types of DirectoryString and its elder relatives, with the codec that reads them.
_CODECS: Final = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}
_MAX_ATTRIBUTES: Final = 32


def attributes(name: bytes, *, ber: bool = False) -> tuple[tuple[tuple[str, str], ...], ...]:
    """The relative names of ``name`` in order, each a tuple of (type, text).

    Type is a label such as ``CN`` or the dotted OID; text that is no character string is shown as ``#`` and hex.
    ``name`` is DER, or may be BER with ``ber``. Raises :class:`MalformedEvidence`.
    """
    reader = der.BerReader if ber else der.Reader
    relative_names, count = [], 0
    outer = reader(name)
    items = outer.expect(der.SEQUENCE).value
    outer.finish()
    for rdn in reader(items):
        if rdn.tag != der.SET:
            raise MalformedEvidence(Reason.STRUCTURE_INVALID, "a name is made of SETs")
        pairs = []
        for item in reader(rdn.value):
            count += 1
            if item.tag != der.SEQUENCE or count > _MAX_ATTRIBUTES:
                raise MalformedEvidence(Reason.STRUCTURE_INVALID, "a name's attributes are no list, or too many")
            fields = reader(item.value)
            oid = der.object_identifier(fields.expect(der.OBJECT_IDENTIFIER).value)
            value = fields.next()
            fields.finish()
            pairs.append((_LABELS.get(oid, oid), _text(value)))
        relative_names.append(tuple(pairs))
    return tuple(relative_names)


def _text(element: der.Element) -> str:
    codec = _CODECS.get(element.tag)
    if codec is not None:
        try:
            return element.value.decode(codec)
        except UnicodeDecodeError:
            pass
    return "#" + element.raw.hex()


def name_text(name: bytes) -> str:
    """One line for people, in the order of the certificate: ``C=US, O=Example, CN=Device CA``."""
    return ", ".join("+".join(f"{label}={value}" for label, value in rdn) for rdn in attributes(name))


def names_match(one: bytes, other: bytes) -> bool:
    """Whether two DER names are the same name: equal bytes, or equal up to string type, case and spacing.

    A name that cannot be read equals only itself.
    """
    return one == other or _same(one, other)


def names_match_in_ber(one: bytes, other: bytes) -> bool:
    """:func:`names_match` for names that may be BER: lengths indefinite or longer than needed."""
    return one == other or _same(one, other, ber=True)


def _same(one: bytes, other: bytes, *, ber: bool = False) -> bool:
    try:
        return _normalised(one, ber) == _normalised(other, ber)
    except MalformedEvidence:
        return False


@lru_cache(maxsize=128)
def _normalised(name: bytes, ber: bool) -> tuple[tuple[tuple[str, str], ...], ...]:
    return tuple(
        tuple(sorted((label, " ".join(value.casefold().split())) for label, value in rdn))
        for rdn in attributes(name, ber=ber)
    )
