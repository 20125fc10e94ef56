"""The policy's vocabulary agrees with the schema, with the enums in code and with the guide."""

from __future__ import annotations

from pathlib import Path

from attestation.android.key_attestation import _BOOT_STATES
from attestation.appraisal.cedar.engine import schema
from attestation.appraisal.facts import SIGNALS
from attestation.appraisal.lint import vocabulary as words
from attestation.claims import KeyStorage, Platform

GUIDE = Path(__file__).parents[3] / "docs/policies.md"


def test_tables_of_values_name_attributes_of_the_schema() -> None:
    """A table for an attribute that there is not would never be used."""
    paths = {".".join((owner, *path)): member for owner, path, member in words.vocabulary().paths()}
    paths |= {f"context.{name}": member for name, member in words.vocabulary().release.members.items()}
    for name in (*words._CLOSED, *words._FAMILIAR):
        shape = paths[name].shape
        assert (shape.element or shape).kind == "String"


def test_closed_values_are_those_of_the_enums() -> None:
    """Together the platforms have every value; none is left out and none invented."""
    for attribute, enum in (("key_storage", KeyStorage), ("platform", Platform)):
        values = [words.closed_values(("principal", attribute), kind) for kind in words.KEY_TYPES]
        assert set().union(*(value or () for value in values)) == set(map(str, enum))
    assert set(words.closed_values(("principal", "verified_boot_state"), "Android") or ()) == set(_BOOT_STATES.values())
    skipped = words.closed_values(("principal", "play_skipped"), "Android")
    assert skipped == frozenset({"quota", "unavailable"})
    licensing = words.familiar_values(("principal", "play", "licensing"), "Android")
    assert licensing == frozenset({"LICENSED", "UNLICENSED", "UNEVALUATED"})


def test_signals_of_the_schema_are_those_of_the_facts() -> None:
    """A signal that facts never have would be a rule that never fires."""
    assert set(words.vocabulary().context.members["signals"].shape.members) == {*SIGNALS, "other"}


def test_record_written_where_it_is_used_is_read_as_one_with_a_name() -> None:
    """Cedar allows both, and the attributes behind it are its owner's."""
    named = str(schema())
    start = named.index("type Signal = {") + len("type Signal = ")
    inline = named.replace("root?: Signal,", f"root?: {named[start : named.index(';', start)]},")
    assert inline != named
    assert words._SchemaReader(inline).context == words._SchemaReader(named).context


def test_release_has_every_fact_of_the_request_and_two_more() -> None:
    """So that a rule about secrets may look at whatever a rule that refuses may; and nothing else differs."""
    known = words.vocabulary()
    request = {name: member for name, member in known.context.members.items() if name != "incident_warnings"}
    assert {*known.release.members} - {*known.context.members} == {"tier", "sealing_key_storage"}
    assert {name: known.release.members.get(name) for name in known.context.members if name in request} == request
    assert "incident_warnings" not in known.release.members  # it can only warn, and a release has no warning


def test_guide_lists_every_fact_with_its_type() -> None:
    """Name, type and whether it may be absent, as the schema says."""
    listed = {
        tuple(cell.strip() for cell in line.strip("|").split("|")[:3])
        for line in GUIDE.read_text("utf-8").split("## Facts")[1].split("\n## ")[0].splitlines()
        if line.startswith("| `")
    }
    facts = {
        (f"`{_spelt(owner, path)}`", str(member.shape), "" if member.required else "may be absent")
        for owner, path, member in words.vocabulary().paths()
        if path[0] != "signals"
    }
    assert listed == facts


def _spelt(owner: str, path: tuple[str, ...]) -> str:
    return ".".join((owner, *path))
