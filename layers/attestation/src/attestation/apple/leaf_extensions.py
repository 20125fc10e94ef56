"""Apple's extensions in an App Attest leaf certificate (arc 1.2.840.113635.100.8).

Only ``.8.2``, the nonce, is documented, and it is read strictly. The others are not: they are read for what they say,
every part optional, and what cannot be read counts as absent. Their meaning was established from genuine certificates
of iOS 14 to 27. The certificate's signature covers all of them.

What a leaf says about its Mac's security (:func:`read_facts`) is decided as follows. A system that calls itself a Mac
(``[1026]`` of ``.8.7`` begins with "mac") is held to the one trusted access list in ``.8.6``; any other list, or none,
is reduced security. What calls itself a handheld is not compared: its lists differ, and Apple asks for none.
A leaf that names no system, or an unknown one, is taken by its list: the trusted one is a Mac's; an iPhone's, or none
(as before iOS 26), an iPhone's; any other cannot be judged, and a finding says so. Refusing there would shut out
iPhones whose keys carry lists not seen yet; saying nothing would let a Mac pass unasked.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Final, NamedTuple

from attestation.encoding import der
from attestation.encoding.certificate import Certificate, Extension
from attestation.errors import AttestationError, MalformedEvidence, Reason, RejectedEvidence

NONCE: Final = "1.2.840.113635.100.8.2"
KEY_PROPERTIES: Final = "1.2.840.113635.100.8.5"
ACCESS_CONTROL: Final = "1.2.840.113635.100.8.6"
OS_INFORMATION: Final = "1.2.840.113635.100.8.7"

_APP_ID: Final = 1204
_OS_VERSION: Final = 1400
_OS_BUILD: Final = 1403
_OS_NAME: Final = 1026
_OF_THE_KEY: Final = frozenset({_APP_ID})
_OF_THE_OS: Final = frozenset({_OS_VERSION, _OS_BUILD, _OS_NAME})
_MAX_TEXT: Final = 256

MAC_FULL_SECURITY: Final = b64decode(
    "MEAMAjExMDowCQwCb2uhAwEB/zAJDAJvYaEDAQH/MAsMBG9kZWyhAwEB/zAVDARvc2duoAYMBHJzZWMwBaYDAgEB"
)
"""The one access control list of a macOS 27 key that vouches for System Integrity Protection and Full Security.
iPhones carry another list in the same extension, so the comparison is for Macs alone."""
IPHONE_ACCESS: Final = b64decode(
    "MEMMAjExMD0wCgwDb2tkoQMBAf8wCQwCb2GhAwEB/zALDARvc2duoQMBAf8wCwwEb2RlbKEDAQH/MAoMA29ja6EDAQH/"
)
"""The access control list of iPhone keys since iOS 26."""
_HANDHELDS: Final = frozenset({"iphoneos", "ipados", "watchos", "appletvos", "tvos", "xros", "visionos"})

ACCESS_LIST_UNJUDGED: Final = "apple-access-list-unjudged"
"""Finding: the certificate names no system that is known, and its access list is neither a Mac's nor an iPhone's."""


class LeafFacts(NamedTuple):
    """What the undocumented extensions say; ``None`` where a release does not say it.

    ``app_id`` is the app id in clear, a diagnostic and never the only check. ``mac`` tells a Mac from all else;
    ``full_security`` is ``None`` off the Mac; ``unjudged`` is :data:`ACCESS_LIST_UNJUDGED`'s case.
    """

    app_id: str | None
    os_version: str | None
    os_build: str | None
    os_name: str | None
    mac: bool
    full_security: bool | None
    unjudged: bool


def read_nonce(leaf: Certificate) -> bytes:
    """The 32-byte nonce of extension 8.2: ``SEQUENCE { [1] EXPLICIT OCTET STRING }``, exactly.

    Raises ``nonce-extension``: :class:`RejectedEvidence` when it is absent or repeated, :class:`MalformedEvidence`
    when it has another shape.
    """
    if NONCE in leaf.duplicated:
        raise RejectedEvidence(Reason.NONCE_EXTENSION, "the certificate carries more than one nonce")
    extension = leaf.extensions.get(NONCE)
    if extension is None:
        raise RejectedEvidence(Reason.NONCE_EXTENSION, "the certificate carries no nonce")
    try:
        nonce = der.single(der.single(der.single(extension.value, der.SEQUENCE), der.context(1)), der.OCTET_STRING)
    except MalformedEvidence as error:
        raise MalformedEvidence(Reason.NONCE_EXTENSION, "the nonce extension has another structure") from error
    if len(nonce) != 32:
        raise MalformedEvidence(Reason.NONCE_EXTENSION, f"the nonce has {len(nonce)} bytes")
    return nonce


def read_facts(leaf: Certificate) -> LeafFacts:
    """What extensions 8.5, 8.6 and 8.7 say. Never raises."""
    os_information = tagged_values(leaf.extensions.get(OS_INFORMATION), _OF_THE_OS)
    os_name = _text(os_information.get(_OS_NAME))
    system = "" if os_name is None else os_name.casefold()
    access_list = None if system in _HANDHELDS else _access_control(leaf)
    mac = system.startswith("mac") or access_list == MAC_FULL_SECURITY
    return LeafFacts(
        app_id=_text(tagged_values(leaf.extensions.get(KEY_PROPERTIES), _OF_THE_KEY).get(_APP_ID)),
        os_version=_text(os_information.get(_OS_VERSION)),
        os_build=_text(os_information.get(_OS_BUILD)),
        os_name=os_name,
        mac=mac,
        full_security=access_list == MAC_FULL_SECURITY if mac else None,
        unjudged=not mac and access_list not in (None, IPHONE_ACCESS),
    )


def tagged_values(extension: Extension | None, wanted: frozenset[int] | None = None) -> Mapping[int, der.Element]:
    """The elements of ``SEQUENCE OF [n] EXPLICIT`` by tag number: all of them, or those ``wanted``; first one wins.

    None at all when the value is no such structure.
    """
    values: dict[int, der.Element] = {}
    if extension is None:
        return values
    data = extension.value
    try:
        _, start, stop = der.header(data, 0, len(data))
        for number, tag, content, end in der.explicit_elements(data, start, stop, wanted):
            values.setdefault(number, der.Element(tag, data[content:end], b""))
    except AttestationError:
        pass
    return values


def _access_control(leaf: Certificate) -> bytes | None:
    """The list, ``None`` where there is no extension; an empty one for what cannot be read, which is no known list."""
    extension = leaf.extensions.get(ACCESS_CONTROL)
    if extension is None:
        return None
    blob = tagged_values(extension).get(3)
    return blob.value if blob is not None and blob.tag == der.OCTET_STRING else b""


def _text(element: der.Element | None) -> str | None:
    """Short printable text of an OCTET STRING or UTF8String. It ends up in claims and on terminals."""
    if element is None or element.tag not in (der.OCTET_STRING, der.UTF8_STRING) or len(element.value) > _MAX_TEXT:
        return None
    try:
        text = element.value.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None
