// A replay of the draft: progress, and whom it would have refused or let in.
import { useEffect, useRef, useState } from "preact/hooks";
import { toPage } from "../address.ts";
import { Problem, get, post } from "../api.ts";
import { announce, useApp } from "../app.ts";
import type { ReplayJob, ReplayResult } from "../contract.ts";
import { count, named, percent, plain, span } from "../format.ts";
import { Empty, Go, ProblemNote, Table, factText } from "../parts.tsx";
import { share } from "../series.ts";

const SPANS = ["15m", "1h", "6h", "24h", "7d"];
const CHANGES: Record<string, string> = {
  "newly-refused": "Newly refused", "newly-let-in": "Newly let in", lowered: "Lowered to warning", raised: "Raised to affirming", unchanged: "Unchanged",
};
const TABLES: [name: string, title: string][] = [["rule", "Draft's rules"], ["build", "Builds"], ["model", "Models"], ["country", "Countries"], ["platform", "Platforms"]];
const MOST_ROWS = 10;
const EVERY = 500;

export interface Replayed { text: string; since: string; result: ReplayResult }

export function Replay({ text, broken, errors, replayed, onReplayed }: {
  text: string; broken: boolean; errors: boolean; replayed: Replayed | null; onReplayed: (replayed: Replayed) => void;
}) {
  const { address } = useApp();
  const [since, setSince] = useState("15m");
  const [job, setJob] = useState<ReplayJob | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const running = useRef("");
  useEffect(() => () => void cancel(), []);

  const cancel = async (): Promise<void> => {
    const id = running.current;
    running.current = "";
    if (id) await post(`/api/replay/${encodeURIComponent(id)}/cancel`, {}).catch(() => undefined);
  };
  const begin = async (): Promise<void> => {
    setProblem(null);
    setJob({ state: "running", done: 0, total: null, result: null, problem: null });
    try {
      const { job: id } = await post<{ job: string }>("/api/replay", { app: address.app, appraisal: text, since });
      running.current = id;
      while (running.current === id) {
        const told = await get<ReplayJob>(`/api/replay/${encodeURIComponent(id)}`);
        if (running.current !== id) break;
        setJob(told);
        if (told.state === "done" && told.result) {
          onReplayed({ text, since, result: told.result });
          announce("The replay is done.");
        }
        if (told.state === "failed") setProblem(new Problem("", 0, "The replay failed.", told.problem ?? ""));
        if (told.state !== "running") running.current = "";
        else await new Promise((resolve) => setTimeout(resolve, EVERY));
      }
    } catch (error) {
      if (error instanceof Problem) setProblem(error);
    }
    running.current = "";
    setJob(null);
  };
  const part = job ? share(job.done, job.total ?? 0) : null;
  return (
    <section aria-labelledby="replay">
      <h2 id="replay">Replay</h2>
      <div class="buttons">
        <label class="choose">Over the last
          <select value={since} onChange={(event) => setSince(event.currentTarget.value)}>{SPANS.map((name) => <option key={name} value={name}>{span(name)}</option>)}</select>
        </label>
        {job
          ? <button type="button" onClick={cancel}>Cancel the replay</button>
          : <button type="button" onClick={begin} disabled={broken}>Replay the draft</button>}
        {job && <label class="choose">{part === null ? "Looking for decisions" : percent(part)} <progress value={part ?? undefined} max={1} aria-label="Progress of the replay" /></label>}
        {errors && <span class="hint">A draft with errors is not replayed.</span>}
      </div>
      {problem && <ProblemNote problem={problem} />}
      {replayed && <Result replayed={replayed} stale={replayed.text !== text} />}
    </section>
  );
}

/** One sentence for the dialog that publishes. */
export function harm(replayed: Replayed | null, text: string): string {
  if (!replayed) return "This draft was not replayed: how many it refuses is not known.";
  const refused = replayed.result.changes["newly-refused"];
  const letIn = replayed.result.changes["newly-let-in"];
  const said = `Over the last ${span(replayed.since)}, ${count(refused?.keys ?? 0)} of ${count(replayed.result.accepted_before.keys)} accepted keys (${percent(refused?.share_of_keys)}) would newly be refused, ${count(letIn?.keys ?? 0)} newly let in.`;
  return replayed.text === text ? said : `The draft was changed after its replay. Before that: ${said}`;
}

function Result({ replayed, stale }: { replayed: Replayed; stale: boolean }) {
  const { address } = useApp();
  const { result } = replayed;
  const keys = (value: { keys: number; keys_exact: boolean } | undefined): string => (value ? `${value.keys_exact ? "" : "~"}${count(value.keys)}` : "0");
  const samples = ["newly-refused", "newly-let-in"].flatMap((change) => (result.samples[change] ?? []).map((one) => ({ change, ...one })));
  const kept = Object.values(result.not_replayable).reduce((sum, value) => sum + value, 0);
  if (result.replayed.decisions === 0) return <Empty>No decision of the last {span(replayed.since)} was recorded, so there is nothing to replay.</Empty>;
  return (
    <div class="result">
      {stale && <p class="note">The draft was changed since: this is the result of the text before.</p>}
      <p class="sum">{harm(replayed, replayed.text)}</p>
      <Table label="What the draft changes" head={["Change", "#Keys", "#of accepted", "#Decisions", "#of accepted"]}>
        {Object.entries(result.changes).map(([change, value]) => (
          <tr key={change} data-change={change} data-value={value.keys}>
            <th scope="row">{named(CHANGES, change) ?? change}</th>
            <td class="number">{keys(value)}</td><td class="number">{change === "unchanged" ? "" : percent(value.share_of_keys)}</td>
            <td class="number">{count(value.decisions)}</td><td class="number">{change === "unchanged" ? "" : percent(value.share_of_decisions)}</td>
          </tr>
        ))}
      </Table>
      <div class="tables">
        {TABLES.map(([name, title]) => {
          const rows = (result.tables[name] ?? []).filter((row) => row.changes["newly-refused"] || row.changes["newly-let-in"]);
          if (!rows.length) return null;
          return (
            <table key={name}>
              <thead><tr><th scope="col">{title}</th><th scope="col" class="number">Keys refused</th><th scope="col" class="number">Keys let in</th></tr></thead>
              <tbody>
                {rows.slice(0, MOST_ROWS).map((row) => (
                  <tr key={row.value}><th scope="row">{factText(name, row.value)}</th><td class="number">{keys(row.changes["newly-refused"])}</td><td class="number">{keys(row.changes["newly-let-in"])}</td></tr>
                ))}
              </tbody>
            </table>
          );
        })}
      </div>
      {samples.length > 0 && (
        <Table label="Some of the keys that it changes" head={["Some of these keys", "Change", "Device", "Rules", "Support code"]}>
          {samples.map((one) => (
            <tr key={`${one.change} ${one.key_id}`}>
              <th scope="row" class="mono"><Go to={toPage(address, "keys", { look: one.key_id })} label={one.key_id}>{one.key_id.slice(0, 16)}</Go></th>
              <td>{named(CHANGES, one.change)}</td>
              <td>{[one.platform, one.model, one.app_build].filter(Boolean).map(plain).join(" · ")}</td>
              <td>{one.rules.join(", ")}</td>
              <td>{one.support_code && <Go to={toPage(address, "keys", { look: one.support_code })}>{one.support_code}</Go>}</td>
            </tr>
          ))}
        </Table>
      )}
      <p class="hint">
        {count(result.replayed.decisions)} decisions judged again{kept > 0 && <>; {count(kept)} were refused before any policy was asked</>}
        {result.damaged > 0 && <>; {count(result.damaged)} lines were damaged</>}.
      </p>
    </div>
  );
}
