// Causes: what decisions have in common, sorted by what changed; every cell narrows all pages.
import { FILTERS, type Filter, isFilter, narrowed, toPage, viewQuery } from "../address.ts";
import { now, ofApp, usePolled } from "../api.ts";
import { useApp } from "../app.ts";
import type { Cause, Causes as Answer } from "../contract.ts";
import { change, count, csv } from "../format.ts";
import { Heading } from "../heading.tsx";
import { Empty, Go, Moment, Table, Waiting, factText, filterName } from "../parts.tsx";

const DIMENSIONS = FILTERS.filter((filter) => filter !== "outcome");
const MOST = 3;
const ALL = "all";
/** Counting causes reads more than counting lines, so it is asked less often. */
const EVERY = 5;
const HALF_A_DAY = 43_200;

/** Causes of what the address shows; of all outcomes, or of `outcome` where it narrows to none. */
export function useCauses(by: string, outcome = "") {
  const { address } = useApp();
  const { app, window, until, filters } = address;
  const extra: Record<string, string> = outcome && filters.outcome === undefined ? { by, outcome } : { by };
  const key = app ? JSON.stringify([app, window, until, filters, extra]) : null;
  const path = (): string => `${ofApp(app, "/view/causes")}?${viewQuery(address, now(), extra)}`;
  return usePolled<Answer>(key, path, until === null ? EVERY : 0);
}

export function Causes() {
  const { address, go } = useApp();
  const asked = (address.more.by ?? "why,platform,build").split(",").filter((name): name is Filter => isFilter(name) && name !== "outcome");
  const by = asked.slice(0, MOST).length ? asked.slice(0, MOST) : (["why"] as Filter[]);
  // At night the question is who is refused; the others are one click away, and that is in the address as well.
  const shown = address.filters.outcome ?? (address.more.outcome === ALL ? ALL : "refused");
  const polled = useCauses(by.join(), shown === ALL ? "" : shown);
  const answer = polled.data;
  const showOnly = (outcome: string): void => {
    const to = narrowed({ ...address, more: { ...address.more } }, "outcome", outcome === ALL || outcome === "refused" ? null : outcome);
    if (outcome === ALL) to.more.outcome = ALL;
    else delete to.more.outcome;
    go(to);
  };
  const switched = (name: Filter): void => {
    const wanted = by.includes(name) ? by.filter((one) => one !== name) : [...by, name].slice(-MOST);
    go({ ...address, more: { ...address.more, by: wanted.join() || "why" } }, true);
  };
  return (
    <>
      <Heading title="Causes" polled={polled} />
      <fieldset class="ticks">
        <legend>Told apart by (up to three)</legend>
        {DIMENSIONS.map((name) => (
          <label key={name} class="tick"><input type="checkbox" checked={by.includes(name)} onChange={() => switched(name)} /> {filterName(name)}</label>
        ))}
        <span class="segments" role="group" aria-label="Outcome">
          {["refused", "accepted", "unavailable", ALL].map((outcome) => (
            <button type="button" key={outcome} aria-pressed={shown === outcome} onClick={() => showOnly(outcome)}>
              {outcome[0]!.toUpperCase() + outcome.slice(1)}
            </button>
          ))}
        </span>
      </fieldset>
      <Waiting polled={polled} />
      {answer && (answer.rows.length === 0
        ? <Empty>{shown === ALL ? "Nothing like this was decided" : `Nothing like this was ${shown}`} in this window{Object.keys(address.filters).length ? ": take a filter away, or choose a longer window" : ""}.</Empty>
        : (
          <>
            <Table label="Causes, what changed most first" class="causes"
              head={["Source", "Outcome", ...by.filter((name) => name !== "source").map(filterName), "#Count", "#Before", "#Change", "First seen", "Do"]}>
              {answer.rows.map((row, index) => <Row key={index} row={row} by={by} />)}
            </Table>
            <p class="hint">
              Compared with <Moment at={answer.compared_with.since} /> to <Moment at={answer.compared_with.until} short />.
              {answer.not_shown.rows > 0 && <> {count(answer.not_shown.rows)} more rows, with {count(answer.not_shown.count)} decisions, are not shown: narrow the view.</>}
              {answer.remainder > 0 && <> {count(answer.remainder)} decisions were counted without their facts.</>}{" "}
              <button type="button" class="link" onClick={() => saved(answer, by)}>Save as CSV</button>
            </p>
          </>
        ))}
    </>
  );
}

function Row({ row, by }: { row: Cause; by: readonly Filter[] }) {
  const { address } = useApp();
  let all = narrowed(narrowed(address, "source", row.source), "outcome", row.outcome);
  for (const [name, value] of Object.entries(row.facts)) if (isFilter(name)) all = narrowed(all, name, value);
  const more = { draft: "new", facts: JSON.stringify({ ...ruleFacts(address.filters), ...row.facts, source: row.source }) };
  return (
    <tr data-outcome={row.outcome}>
      <td data-label="Source"><Narrow filter="source" value={row.source} /></td>
      <td class={`still ${row.outcome}`} data-label="Outcome"><Narrow filter="outcome" value={row.outcome} /></td>
      {by.filter((name) => name !== "source").map((name) => (
        <td key={name} data-label={filterName(name)}>{row.facts[name] === undefined ? <small>not known here</small> : <Narrow filter={name} value={row.facts[name]} />}</td>
      ))}
      <td class="number" data-label="Count">{count(row.count)}</td>
      <td class="number" data-label="Before">{count(row.before)}</td>
      <td class="number" data-label="Change">{change(row.count, row.before)}</td>
      <td class="seen" data-label="First seen">{row.new && <b class="new">new</b>} <Moment at={row.first_seen} short={now() - (row.first_seen ?? 0) < HALF_A_DAY} /></td>
      <td class="do">
        {row.source !== "beacon" && row.source !== "secret" && row.source !== "challenge" && row.source !== "authorize" && (
          <Go to={{ ...toPage(address, "policies", more), filters: {} }} label={`Refuse these: ${Object.values(row.facts).join(", ")}`}>Refuse these</Go>
        )}
        <Go to={toPage(all, "timeline")} label={`Timeline of ${Object.values(row.facts).join(", ")}`}>Timeline</Go>
      </td>
    </tr>
  );
}

function ruleFacts(filters: Partial<Record<Filter, string>>): Partial<Record<Filter, string>> {
  const { outcome: _outcome, ...facts } = filters;
  return facts;
}

/** A fact that narrows every page to itself. */
export function Narrow({ filter, value }: { filter: Filter; value: string }) {
  const { address } = useApp();
  const text = factText(filter, value);
  return (
    <Go to={narrowed(address, filter, value)} class="narrow" label={`${text}: only this ${filterName(filter)}`}>
      {text.length > 90 ? `${text.slice(0, 90)}…` : text}
    </Go>
  );
}

function saved(answer: Answer, by: readonly Filter[]): void {
  const facts = by.filter((name) => name !== "source");
  const head = ["source", "outcome", ...facts, "count", "before", "first seen"];
  const rows = answer.rows.map((row) => [
    row.source, row.outcome, ...facts.map((name) => row.facts[name] ?? ""), row.count, row.before,
    row.first_seen === null ? "" : new Date(row.first_seen * 1000).toISOString(),
  ]);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv([head, ...rows])], { type: "text/csv" }));
  link.download = "causes.csv";
  link.click();
  URL.revokeObjectURL(link.href);
}
