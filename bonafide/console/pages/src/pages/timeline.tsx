// Timeline: what operators changed, on the same axis as what was refused.
import { type Page, WINDOWS, toPage } from "../address.ts";
import { now, ofApp, usePolled } from "../api.ts";
import { useApp } from "../app.ts";
import { Chart, type Line } from "../chart.tsx";
import type { Timeline as Answer } from "../contract.ts";
import { named, person, plain, rate } from "../format.ts";
import { Heading } from "../heading.tsx";
import { Empty, Go, Moment, Table, Waiting } from "../parts.tsx";
import { added, rates } from "../series.ts";
import { useView } from "./now.tsx";

const KINDS: Record<string, string> = {
  policy: "Policy", rollout: "Rollout", block: "Block", unblock: "Unblock", "not-before": "Tokens not before", build: "Build", route: "Routes",
  registration: "App", upkeep: "Upkeep", incident: "Incident",
};

const page = (kind: string): Page | null => (kind === "policy" || kind === "rollout" ? "policies" : kind === "incident" ? "incidents" : null);

export function Timeline() {
  const { address } = useApp();
  const view = useView();
  const polled = usePolled<Answer>(address.app || null, () => ofApp(address.app, "/timeline"), address.until === null ? 10 : 0);
  const end = address.until ?? now();
  const since = view.data?.since ?? end - WINDOWS[address.window];
  const entries = polled.data?.entries ?? [];
  const inside = entries.filter((entry) => entry.at >= since && entry.at <= end + 60);
  const marks = inside.map((entry, index) => ({ at: entry.at, label: String(index + 1) }));
  const shown = view.data;
  const lines = (outcome: string): Line[] => {
    const found = Object.values(shown?.series ?? {}).flatMap((by) => (by[outcome] ? [by[outcome]] : []));
    return shown && found.length ? [{ label: outcome, tone: outcome, values: rates(added(found), shown.at, shown.step, now()) }] : [];
  };
  return (
    <>
      <Heading title="Timeline" polled={view} />
      <Waiting polled={view} />
      {shown && (
        <>
          <Chart title="Refused, all sources" unit={rate(shown.step).unit} at={shown.at} step={shown.step} lines={lines("refused")} marks={marks} height={190} />
          <Chart title="Accepted, all sources" unit={rate(shown.step).unit} at={shown.at} step={shown.step} lines={lines("accepted")} marks={marks} height={120} />
        </>
      )}
      <section aria-labelledby="changes">
        <h2 id="changes">What was changed</h2>
        <Waiting polled={polled} />
        {polled.data && entries.length === 0 && <Empty>Nothing was changed yet.</Empty>}
        {entries.length > 0 && (
          <Table label="Changes, the newest first; numbers are those of the marks" head={["Mark", "When", "Kind", "What", "Reason", "Who"]}>
            {entries.map((entry, index) => {
              const mark = inside.indexOf(entry) + 1;
              return (
                <tr key={index}>
                  <td>{mark || <small>outside</small>}</td>
                  <td class="still"><Moment at={entry.at} /></td>
                  <td class="still">{named(KINDS, entry.kind) ?? entry.kind}</td>
                  <th scope="row">{page(entry.kind) ? <Go to={toPage(address, page(entry.kind)!)}>{plain(entry.title)}</Go> : plain(entry.title)}</th>
                  <td>{plain(entry.reason) || "–"}</td>
                  <td class="who-did" title={entry.who}>{person(entry.who)}</td>
                </tr>
              );
            })}
          </Table>
        )}
        {polled.data?.before && <p class="hint">Older changes: <code>bonafide audit --app {address.app}</code>.</p>}
      </section>
    </>
  );
}
