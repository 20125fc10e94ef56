"""Attestations that say something false, or nothing, about the key (steps 11 to 17)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from attestation.errors import Reason
from attestation.reference_values import ReferenceValues
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.android import key_description as kd
from devkit.devices.android.device import BOOT_KEY
from devkit.devices.authority.certificate_template import Extension, new_private_key, spki_of
from devkit.devices.authority.der_writer import (
    NULL,
    enumerated,
    explicit,
    integer,
    object_identifier,
    octet_string,
    sequence,
    set_of,
    tlv,
)
from tests.unit.apple_mutations.scene import Drawn

from .scene import (
    CLIENT_DATA_HASH,
    PACKAGE,
    SIGNER,
    Question,
    Scene,
    malformed,
    rejected,
    with_draft,
    with_hardware,
    with_leaf,
    with_software,
)

_OTHER_SIGNER = bytes(32)
_P384_KEY = new_private_key(ec.SECP384R1(), Drawn("p384"))


def _with_extension(change: Callable[[bytes], bytes]) -> Callable[[], Question]:
    """The KeyDescription's bytes changed before the leaf is signed."""

    def make() -> Question:
        draft = Scene.default().draft
        leaf = draft.leaf.with_extension(Extension(kd.OID, change(draft.description.encode())))
        return Question.of((leaf.signed_by(draft.line.batch.key), *draft.issuers()))

    return make


def _with_fields(**fields: bytes) -> Callable[[], Question]:
    """A KeyDescription with other outer fields; ``f0=…`` is the first."""

    def make() -> Question:
        draft = Scene.default().draft
        parts = [
            integer(300),
            enumerated(1),
            integer(300),
            enumerated(1),
            octet_string(CLIENT_DATA_HASH),
            octet_string(b""),
            kd.authorization_list(draft.description.software),
            kd.authorization_list(draft.description.hardware),
        ]
        for name, field in fields.items():
            parts[int(name[1:])] = field
        leaf = draft.leaf.with_extension(Extension(kd.OID, sequence(*parts)))
        return Question.of((leaf.signed_by(draft.line.batch.key), *draft.issuers()))

    return make


def _with_root_of_trust(inner: bytes) -> Callable[[], Question]:
    return with_hardware(t704=inner)


def _application(inner: bytes) -> Callable[[], Question]:
    return with_software(t709=octet_string(inner))


def _app(package: str = PACKAGE, signer: bytes = SIGNER) -> Callable[[], Question]:
    return lambda: Question.of(Scene.default(package=package, signer=signer).draft.chain())


READING = (
    malformed("empty KeyDescription", Reason.STRUCTURE_INVALID, _with_extension(lambda d: d[:0])),
    malformed("octets behind the KeyDescription", Reason.STRUCTURE_INVALID, _with_extension(lambda d: d + NULL)),
    malformed("KeyDescription cut off", Reason.ENCODING_INVALID, _with_extension(lambda d: d[:-1])),
    malformed(
        "KeyDescription of indefinite length",
        Reason.ENCODING_INVALID,
        _with_extension(lambda d: b"\x30\x80" + d[4:] + b"\0\0"),
    ),
    malformed("KeyDescription that is a set", Reason.STRUCTURE_INVALID, _with_extension(lambda d: tlv(0x31, d[4:]))),
    malformed("seven fields", Reason.STRUCTURE_INVALID, _with_extension(lambda d: sequence(integer(len(d)) * 7))),
    malformed("version that is no integer", Reason.STRUCTURE_INVALID, _with_fields(f0=octet_string(b"\1"))),
    malformed("version of nine octets", Reason.ENCODING_INVALID, _with_fields(f0=integer(1 << 64))),
    malformed("unknown security level", Reason.STRUCTURE_INVALID, _with_fields(f1=enumerated(3))),
    malformed("security level as an integer", Reason.STRUCTURE_INVALID, _with_fields(f3=integer(1))),
    malformed("list that is a set", Reason.STRUCTURE_INVALID, _with_fields(f6=set_of())),
    malformed(
        "tag twice in a list",
        Reason.STRUCTURE_INVALID,
        _with_fields(f7=sequence(explicit(702, integer(0)), explicit(702, integer(2)))),
    ),
    malformed("tag without an element", Reason.STRUCTURE_INVALID, _with_fields(f7=sequence(explicit(702)))),
    malformed(
        "tag with two elements",
        Reason.STRUCTURE_INVALID,
        _with_fields(f7=sequence(explicit(702, integer(0), integer(0)))),
    ),
    malformed("tag of another class", Reason.STRUCTURE_INVALID, _with_fields(f7=sequence(integer(0)))),
    malformed(
        "tag in a longer form than needed",
        Reason.ENCODING_INVALID,
        _with_fields(f7=sequence(b"\xbf\x80\x01\x03" + integer(0))),
    ),
    malformed(
        "tag that overruns its list",
        Reason.ENCODING_INVALID,
        _with_fields(f7=sequence(b"\xbf\x85\x3e\x04" + integer(0))),
    ),
    malformed("origin that is text", Reason.STRUCTURE_INVALID, with_hardware(t702=octet_string(b"\0"))),
    malformed("origin in a longer form", Reason.ENCODING_INVALID, with_hardware(t702=tlv(0x02, b"\0\0"))),
    malformed("endless integer", Reason.ENCODING_INVALID, with_hardware(t705=integer(1 << 72))),
    malformed("NULL with content", Reason.STRUCTURE_INVALID, with_hardware(t503=tlv(0x05, b"\0"))),
    malformed("purposes that are texts", Reason.STRUCTURE_INVALID, with_hardware(t1=set_of(octet_string(b"\2")))),
    malformed(
        "unknown boot state",
        Reason.STRUCTURE_INVALID,
        _with_root_of_trust(kd.root_of_trust(key=BOOT_KEY, state=4)),
    ),
    malformed(
        "root of trust of two fields",
        Reason.STRUCTURE_INVALID,
        _with_root_of_trust(sequence(octet_string(BOOT_KEY), tlv(0x01, b"\xff"))),
    ),
    malformed(
        "lock that is no boolean",
        Reason.STRUCTURE_INVALID,
        _with_root_of_trust(sequence(octet_string(BOOT_KEY), integer(1), enumerated(0))),
    ),
    malformed(
        "lock of two octets",
        Reason.ENCODING_INVALID,
        _with_root_of_trust(sequence(octet_string(BOOT_KEY), tlv(0x01, b"\xff\xff"), enumerated(0))),
    ),
    malformed("application id that is no DER", Reason.STRUCTURE_INVALID, _application(b"")),
    malformed("application id of one set", Reason.STRUCTURE_INVALID, _application(sequence(set_of()))),
    malformed(
        "package without a version",
        Reason.STRUCTURE_INVALID,
        _application(sequence(set_of(sequence(octet_string(b"a"))), set_of())),
    ),
    malformed(
        "package name that is no text",
        Reason.ENCODING_INVALID,
        _application(sequence(set_of(sequence(octet_string(b"\xff"), integer(1))), set_of())),
    ),
    malformed(
        "signer digest of twenty octets",
        Reason.STRUCTURE_INVALID,
        _application(sequence(set_of(), set_of(octet_string(bytes(20))))),
    ),
    malformed(
        "hundreds of packages",
        Reason.STRUCTURE_INVALID,
        _application(sequence(set_of(*[sequence(octet_string(b"a"), integer(1))] * 257), set_of())),
    ),
)

BINDING = (
    rejected(
        "other client data",
        Reason.CHALLENGE_MISMATCH,
        lambda: replace(Question.of(Scene.default().draft.chain()), client_data_hash=bytes(32)),
    ),
    rejected("challenge cut short", Reason.CHALLENGE_MISMATCH, _with_fields(f4=octet_string(CLIENT_DATA_HASH[:-1]))),
    rejected("no challenge", Reason.CHALLENGE_MISMATCH, _with_fields(f4=octet_string(b""))),
)

KEY = (
    rejected("imported key", Reason.KEY_ORIGIN, with_hardware(t702=integer(kd.IMPORTED))),
    rejected("securely imported key", Reason.KEY_ORIGIN, with_hardware(t702=integer(kd.SECURELY_IMPORTED))),
    rejected("origin left out", Reason.KEY_ORIGIN, with_hardware(t702=None)),
    rejected(
        "origin in the software's words alone",
        Reason.KEY_ORIGIN,
        with_draft(
            lambda draft: replace(
                draft, description=draft.description.with_hardware({702: None}).with_software({702: integer(0)})
            )
        ),
    ),
    rejected("root of trust left out", Reason.ROOT_OF_TRUST_MISSING, with_hardware(t704=None)),
    rejected(
        "root of trust in the software's words alone",
        Reason.ROOT_OF_TRUST_MISSING,
        with_draft(
            lambda draft: replace(
                draft,
                description=draft.description.with_hardware({704: None}).with_software(
                    {704: kd.root_of_trust(key=BOOT_KEY)}
                ),
            )
        ),
    ),
    rejected("key that attests others", Reason.KEY_PURPOSE, with_hardware(t1=kd.integers(kd.SIGN, kd.ATTEST_KEY))),
    rejected("key for every app", Reason.KEY_ALL_APPLICATIONS, with_hardware(t600=NULL)),
    rejected("key for every app, says the system", Reason.KEY_ALL_APPLICATIONS, with_software(t600=NULL)),
    rejected("RSA described, EC certified", Reason.KEY_MISMATCH, with_hardware(t2=integer(kd.RSA))),
    rejected("other size described", Reason.KEY_MISMATCH, with_hardware(t3=integer(384))),
    rejected("other curve described", Reason.KEY_MISMATCH, with_hardware(t10=integer(2))),
    rejected(
        "P-256 described, P-384 certified",
        Reason.KEY_MISMATCH,
        with_leaf(lambda leaf: replace(leaf, spki=spki_of(_P384_KEY))),
    ),
    malformed(
        "point off its curve",
        Reason.KEY_UNREADABLE,
        with_leaf(lambda leaf: replace(leaf, spki=leaf.spki[:-32] + bytes(32))),
    ),
    malformed(
        "compressed point",
        Reason.KEY_UNREADABLE,
        with_leaf(
            lambda leaf: replace(
                leaf,
                spki=sequence(
                    sequence(object_identifier("1.2.840.10045.2.1"), object_identifier("1.2.840.10045.3.1.7")),
                    tlv(0x03, b"\0\2" + leaf.spki[27:59]),
                ),
            )
        ),
    ),
)

APP = (
    rejected("other package", Reason.APP_MISMATCH, _app(package="org.example.demo.plus")),
    rejected("re-signed app", Reason.SIGNER_MISMATCH, _app(signer=_OTHER_SIGNER)),
    rejected(
        "our signer and another",
        Reason.SIGNER_MISMATCH,
        with_software(t709=kd.application_id([(PACKAGE, 1)], [SIGNER, _OTHER_SIGNER])),
    ),
    rejected("no signer", Reason.SIGNER_MISMATCH, with_software(t709=kd.application_id([(PACKAGE, 1)], []))),
    rejected("no application", Reason.APP_MISMATCH, with_software(t709=None)),
    rejected(
        "no signer registered",
        Reason.SIGNER_MISMATCH,
        lambda: Question.of(Scene.default().draft.chain()).expecting(signing_digests=frozenset()),
    ),
    rejected(
        "no package registered",
        Reason.REFERENCE_VALUES_MISSING,
        lambda: Question.of(Scene.default().draft.chain()).expecting(packages=()),
    ),
    rejected(
        "app of another platform",
        Reason.REFERENCE_VALUES_MISSING,
        lambda: replace(Question.of(Scene.default().draft.chain()), reference_values=ReferenceValues()),
    ),
)

KEY_MUTATIONS = (*READING, *BINDING, *KEY, *APP)
