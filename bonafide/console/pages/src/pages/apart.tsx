// What sets the devices of a cause apart: signals and findings of recorded decisions, each a narrower rule.
import { useEffect, useState } from "preact/hooks";
import { toPage } from "../address.ts";
import { Problem, post } from "../api.ts";
import { useApp } from "../app.ts";
import { count } from "../format.ts";
import { Empty, Go, Table } from "../parts.tsx";

interface Comparison {
  keys: number;
  others: number;
  whole: boolean;
  rows: { fact: "signal" | "finding"; value: string; keys: number; elsewhere: number }[];
}

const NAMES = { signal: "Reported signal", finding: "Finding" };

export function Apart({ facts }: { facts: Record<string, string> }) {
  const { address } = useApp();
  const [answer, setAnswer] = useState<Comparison | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const { app, window } = address;
  const since = window === "5m" ? "15m" : window;
  const asked = JSON.stringify(facts);
  useEffect(() => {
    const stop = new AbortController();
    setProblem(null);
    post<Comparison>("/api/apart", { app, facts: JSON.parse(asked) as unknown, since }, stop.signal).then(
      setAnswer,
      (error: unknown) => stop.signal.aborted || setProblem(error instanceof Problem ? error : null),
    );
    return () => stop.abort();
  }, [app, asked, since]);
  const rows = answer?.rows.filter((row) => facts[row.fact] !== row.value) ?? [];
  return (
    <section aria-labelledby="apart">
      <h3 id="apart">What sets them apart</h3>
      {problem && <Empty>Recorded decisions cannot be compared: {problem.detail || problem.title}</Empty>}
      {!answer && !problem && <p class="empty" aria-busy="true">Comparing recorded decisions…</p>}
      {answer && rows.length === 0 && <Empty>Nothing more: of {count(answer.keys)} such keys in recorded decisions, none reported a signal or had a finding{Object.keys(facts).some((name) => name in NAMES) ? " beyond this" : ""}.</Empty>}
      {rows.length > 0 && answer && (
        <Table label="What sets these devices apart" class="apart" head={["What", "Name", `#Of ${count(answer.keys)} such keys`, `#Of ${count(answer.others)} others`, "Do"]}>
          {rows.map((row) => (
            <tr key={`${row.fact} ${row.value}`} data-fact={row.fact} data-value={row.value}>
              <td class="still">{NAMES[row.fact]}</td>
              <td>{row.value}</td>
              <td class="number">{count(row.keys)}</td>
              <td class="number">{count(row.elsewhere)}</td>
              <td>
                <Go to={toPage(address, "policies", { draft: "new", facts: JSON.stringify({ ...facts, [row.fact]: row.value }) })}
                  label={`Refuse only those with ${row.value}`}>Refuse only these</Go>
              </td>
            </tr>
          ))}
        </Table>
      )}
      {answer && !answer.whole && <p class="hint">Only the newest decisions were compared: there are too many for a glance.</p>}
    </section>
  );
}
