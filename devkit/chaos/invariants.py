"""The five invariants, judged from a :class:`~devkit.chaos.histories.History` when the run is over.

Each verdict says how much it checked: an invariant that met nothing to check has shown nothing. A breach names what
shows it, so that it can be found in the saved history.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from devkit.chaos.histories import Change, Commit, Exchange, History

SKEW: Final = 5.0
"""Seconds that gates allow clocks to differ."""
BLOCKED_AFTER: Final = 30.0
"""Seconds after which a published block holds everywhere."""
AUTHORIZER: Final = "AuthorizeRequestFunction"


@dataclass(frozen=True, slots=True)
class Breach:
    """One broken promise: a sentence, and the records that show it."""

    sentence: str
    evidence: tuple[str, ...]

    def to_record(self) -> dict[str, object]:
        """As JSON has it."""
        return {"sentence": self.sentence, "evidence": list(self.evidence)}


@dataclass(slots=True)
class Verdict:
    """One invariant: how many promises were checked, and which are broken."""

    invariant: str
    means: str
    checked: int = 0
    breaches: list[Breach] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether none is broken."""
        return not self.breaches

    def check(self, kept: bool, sentence: str, *evidence: object) -> None:
        """Count a promise, and note it if it is not kept."""
        self.checked += 1
        if not kept:
            self.breaches.append(Breach(sentence, tuple(map(named, evidence))))

    def to_record(self) -> dict[str, object]:
        """As JSON has it."""
        broken = [breach.to_record() for breach in self.breaches]
        return {"invariant": self.invariant, "means": self.means, "checked": self.checked, "broken": broken}


def named(evidence: object) -> str:
    """A record by what finds it again in the saved history."""
    match evidence:
        case Exchange():
            when = f"sent {evidence.sent:.3f}, ended {evidence.ended:.3f}"
            return (
                f"exchange {evidence.number} of {evidence.device} at {evidence.site}: {evidence.action}, {when}, "
                f"status {evidence.status}, request {evidence.request_id or 'unknown'}"
            )
        case Change():
            when = f"sent {evidence.sent:.3f}, ended {evidence.ended:.3f}"
            return f"change {evidence.number}: {evidence.kind} of {evidence.subject}, {when}, status {evidence.status}"
        case Commit():
            return f"write of {evidence.table} {evidence.name} at {evidence.at:.3f}, client request {evidence.token}"
        case _:
            return str(evidence)


def judge(history: History) -> tuple[Verdict, ...]:
    """Every invariant's verdict."""
    return tuple(invariant(history) for invariant in (once, token, audit, versions, gate))


def once(history: History) -> Verdict:
    """Each nonce has at most one committed redemption, all regions together."""
    verdict = Verdict("once", "a nonce has at most one committed redemption, all regions together")
    redeemed: dict[str, dict[str, Commit]] = defaultdict(dict)
    for commit in history.commits:
        if commit.table == "nonces" and commit.sure:
            redeemed[commit.name].setdefault(f"{commit.site}/{commit.token}", commit)
    homes: dict[str, set[str]] = defaultdict(set)
    for site, row in history.rows("nonces"):
        homes[row["nonce"]].add(site)
    answered: dict[str, list[Exchange]] = defaultdict(list)
    for exchange in history.exchanges:
        if exchange.nonce and exchange.accepted and exchange.action in ("enrol", "renew"):
            answered[exchange.nonce].append(exchange)
    for nonce in sorted(redeemed.keys() | homes.keys() | answered.keys()):
        commits, sites = redeemed.get(nonce, {}), homes.get(nonce, set())
        verdict.check(len(commits) <= 1, f"nonce {nonce} was committed {len(commits)} times", *commits.values())
        verdict.check(len(sites) <= 1, f"nonce {nonce} stands in the tables of {', '.join(sorted(sites))}")
        good = answered.get(nonce, [])
        # The same enrolment again, byte for byte, is one whose answer was lost: it is answered again, by design.
        distinct = {one.digest if one.action == "enrol" else str(one.number) for one in good}
        verdict.check(len(distinct) <= 1, f"nonce {nonce} was redeemed by {len(distinct)} requests", *good)
    return verdict


def token(history: History) -> Verdict:
    """Minted: then its redemption was committed before."""
    verdict = Verdict("token", "a minted token's redemption was committed before")
    nonces = {row["nonce"] for _, row in history.rows("nonces")}
    keys = {row["key_id"] for _, row in history.rows("attested_keys")}
    first: dict[str, float] = {}
    by_key: dict[str, set[str]] = defaultdict(set)
    for commit in history.commits:
        if commit.table == "nonces":
            by_key[commit.key_id].add(commit.name)
            first[commit.name] = min(commit.at, first.get(commit.name, commit.at))
    for exchange in history.exchanges:
        if not exchange.accepted or exchange.token is None or exchange.action not in ("enrol", "renew"):
            continue
        verdict.check(exchange.nonce in nonces, f"no redemption of {exchange.nonce} stands behind a token", exchange)
        verdict.check(exchange.token.get("key_id") in keys, "a token's key is in no table", exchange)
        committed = first.get(exchange.nonce, exchange.ended)
        verdict.check(committed <= exchange.ended, "a token came before its redemption was committed", exchange)
    lines: Counter[str] = Counter()
    enrolled: set[str] = set()
    for line in history.decisions:
        if line.get("message") == "decision" and line.get("outcome") == "accepted":
            if line.get("action") == "renew":
                lines[str(line["key_id"])] += 1
            elif line.get("action") == "enrol":
                enrolled.add(str(line["key_id"]))
    for key_id, minted in lines.items():
        committed_nonces = len(by_key[key_id])
        what = f"key {key_id}: {minted} renewals were logged as accepted, {committed_nonces} redemptions were committed"
        verdict.check(minted <= committed_nonces, what)
    for key_id in enrolled:
        verdict.check(bool(by_key[key_id]), f"key {key_id}: an enrolment was logged as accepted, none was committed")
    return verdict


def audit(history: History) -> Verdict:
    """An acknowledged change has its entry, and an entry its change."""
    verdict = Verdict("audit", "an acknowledged change has its audit entry, and an entry its change")
    entries: dict[str, set[tuple[str, str]]] = defaultdict(set)
    told: Counter[tuple[str, str, str]] = Counter()
    for site, row in history.rows("audit"):
        entries[row.get("why", "")].add((site, row["entry"]))  # one entry may stand under two subjects
        told[site, row.get("action", ""), row["subject"]] += 1
    done: Counter[str] = Counter()
    for _, row in history.rows("policies"):
        if row["version"] > 0:
            done[row["why"]] += 1
    for _, row in history.rows("attested_keys"):
        if "blocked" in row:
            done[row["blocked"].get("reason", "")] += 1
    for change in history.changes:
        written = len(entries[change.why])
        verdict.check(written <= 1, f"{written} entries of one change", change)
        if change.acknowledged:
            verdict.check(written >= 1, "an acknowledged change has no entry", change)
        if change.kind in ("publish-policy", "block-key"):
            if change.acknowledged:
                verdict.check(done[change.why] >= 1, "an acknowledged change is in no table", change)
            verdict.check(done[change.why] == written, "an entry without its change, or a change without entry", change)
    for site, row in history.rows("apps"):
        subject = f"app/{row['app']}"
        counted = told[site, "register-app", subject]
        if counted or row["app"] in {one.subject for one in history.changes if one.kind == "register-app"}:
            what = f"app {row['app']} changed {row.get('revision')} times, and has {counted} entries"
            verdict.check(row.get("revision") == counted, what)
    return verdict


def versions(history: History) -> Verdict:
    """Versions are consecutive, name one thing each, and no observer goes back."""
    verdict = Verdict("versions", "versions are consecutive, each names one thing, and no observer goes back")
    for thing, found, latest in _numbered(history):
        verdict.check(sorted(found) == list(range(1, len(found) + 1)), f"{thing}: versions {_gaps(found)} are missing")
        verdict.check(latest in (None, len(found)), f"{thing}: the newest is said to be {latest} of {len(found)}")
    published: dict[tuple[str, str], dict[str, Commit]] = defaultdict(dict)
    for commit in history.commits:
        if commit.table == "trust_bundles" and commit.sure:
            published[commit.site, commit.name].setdefault(commit.token, commit)
    for (site, number), writes in published.items():
        verdict.check(len(writes) == 1, f"bundle {number} of {site} was written {len(writes)} times", *writes.values())
    seen: dict[tuple[str, int], set[str]] = defaultdict(set)
    held: dict[tuple[str, str], int] = {}
    for sight in sorted(history.sights, key=lambda one: one.sent):
        seen[sight.thing, sight.version].add(sight.digest)
        before = held.get((sight.observer, sight.thing), 0)
        what = f"{sight.observer} saw version {sight.version} of {sight.thing} at {sight.sent:.3f}, after {before}"
        verdict.check(sight.version >= before, what)
        held[sight.observer, sight.thing] = max(before, sight.version)
    for (thing, version), digests in seen.items():
        verdict.check(len(digests - {""}) <= 1, f"version {version} of {thing} is {len(digests)} different documents")
    newest: dict[str, int] = {}
    for line in history.decisions:
        if line.get("message") == "tally" and isinstance(line.get("bundle"), list):
            process = str(line["id"]).rpartition("-")[0]
            version = int(line["bundle"][0])
            before = newest.get(process, 0)
            verdict.check(version >= before, f"gate process {process} went back from bundle {before} to {version}")
            newest[process] = version
    return verdict


def gate(history: History) -> Verdict:
    """Let in: then with a valid token, under a bundle that has not expired, with a key not blocked for 30 s."""
    verdict = Verdict("gate", "let in: a valid token, a bundle that has not expired, no key blocked for over 30 s")
    bundles = {(site, row["version"]): row for site, row in history.rows("trust_bundles") if "#" not in row["issuer"]}
    decided = {
        (line.get("site"), line["request_id"]): line
        for line in history.decisions
        if line.get("action") == "authorize" and line.get("message") == "decision"
    }
    blocked = {
        change.subject: change
        for change in sorted(history.changes, key=lambda one: -one.ended)  # the earliest one counts
        if change.kind == "block-key" and change.acknowledged and change.bundle is not None
    }
    clocks = [one for one in history.struck if one.kind == "clock" and one.target == AUTHORIZER]
    for exchange in history.exchanges:
        if exchange.action != "call" or not exchange.accepted:
            continue
        behind = [one.amount for one in clocks if one.began <= exchange.ended and one.ended >= exchange.sent]
        now = exchange.sent + min([0.0, *behind])  # the earliest that any gate's clock said
        claims = exchange.token or {}
        verdict.check(exchange.genuine, "a token that the stack did not mint was let in", exchange)
        verdict.check(now < float(claims.get("exp", 0)) + SKEW, "an expired token was let in", exchange)
        change = blocked.get(exchange.key_id)
        if change is not None:
            late = now - change.ended
            verdict.check(late <= BLOCKED_AFTER, f"let in {late:.1f} s after a published block", exchange, change)
        line = decided.get((exchange.site, exchange.request_id))
        if line is not None:  # lines are written as best the process can
            row = bundles.get((exchange.site, line["bundle_version"]))
            verdict.check(row is not None, f"decided by bundle {line['bundle_version']}, which is none", exchange)
            if row is not None:
                what = f"decided by bundle {row['version']}, which expired at {row['expires_at']}"
                verdict.check(now < row["expires_at"] + SKEW, what, exchange)
    return verdict


def _numbered(history: History) -> Iterator[tuple[str, list[int], int | None]]:
    """Everything that has versions: its name, the versions found, and which one is said to be the newest."""
    policies: dict[str, list[int]] = defaultdict(list)
    heads: dict[str, int] = {}
    for site, row in history.rows("policies"):
        thing = f"policies of {row['app']} ({site})"
        if row["version"] == 0:
            heads[thing] = int(row["latest"])
        elif row["version"] > 0:
            policies[thing].append(row["version"])
    for thing, found in policies.items():
        yield thing, found, heads.get(thing, 0)
    bundles: dict[str, list[int]] = defaultdict(list)
    for site, row in history.rows("trust_bundles"):
        if "#" not in row["issuer"]:
            bundles[f"trust bundles of {row['issuer']} ({site})"].append(row["version"])
    for thing, found in bundles.items():
        yield thing, found, None


def _gaps(found: Iterable[int]) -> str:
    there = set(found)
    missing = sorted(set(range(1, max(there, default=0) + 1)) - there)
    return ", ".join(map(str, missing[:10])) or "none"


def shown(verdicts: Iterable[Verdict]) -> Any:
    """All verdicts, as JSON has them."""
    return [verdict.to_record() for verdict in verdicts]
