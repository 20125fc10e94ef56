"""A flood of refusals costs a bounded number of bytes of log: a real authorizer process, against the stated bound."""

from __future__ import annotations

from tests.benchmarks.authorizer_process import bundle_server
from tests.benchmarks.bench_log_bytes import START, gate, most_bytes
from tests.benchmarks.extent import ROOT
from tests.unit.gate.stand import Call, bundle, signed

REFUSALS = 3_000
HOSTILE = {"OAuth-Client-Attestation": ["\U0001f600" * 200], "DPoP": ['"\\' * 200]}


def test_flood_takes_no_more_than_is_stated() -> None:
    """The attack: texts of the client's own in every request, at 3,000 a second."""
    event = Call(method="GET", token=None, proof=None, headers=HOSTILE).event()
    with bundle_server(signed(bundle(issued_at=START - 60, expires_at=START + 9_000))) as url:
        quiet = gate(ROOT, event, 30, rate=1, url=url)
        flood = gate(ROOT, event, REFUSALS, rate=3_000, url=url)
    assert quiet.lines >= 30, "a few refusals are all listed"
    assert flood.bytes <= most_bytes(REFUSALS, REFUSALS / 3_000)
    assert flood.bytes < REFUSALS * quiet.bytes / 30 / 10


def test_bound_grows_with_time_and_hardly_with_the_flood() -> None:
    """Of what is stated."""
    assert most_bytes(10**6, 2) < 2 * most_bytes(1_000, 2)
    assert most_bytes(1_000, 20) == 4 * most_bytes(1_000, 2)
