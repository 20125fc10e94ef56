// Funnel: from the attempt to enrol to the renewal, and where devices fall out.
import { viewQuery } from "../address.ts";
import { now, ofApp, usePolled } from "../api.ts";
import { useApp } from "../app.ts";
import type { Funnel as Answer, FunnelStep } from "../contract.ts";
import { count, estimate, named, percent } from "../format.ts";
import { Heading } from "../heading.tsx";
import { Empty, Table, Waiting, factText, filterName } from "../parts.tsx";

const STEPS: Record<string, string> = {
  start: "the attempt", challenge: "Challenge issued", evidence: "Evidence sent", verified: "Evidence verified", accepted: "Accepted by the policy",
  used: "Token used", renewed: "Token renewed",
};
const KINDS: Record<string, [who: string, tone: string]> = {
  reported: ["the app says so", "other"], refused: ["our verdict", "refused"], unavailable: ["our own outage", "unavailable"],
  unexplained: ["silence", "ink"], unrecorded: ["counted without facts", "muted"], estimate: ["a difference of estimates", "muted"],
};
const CAUSES: Record<string, string> = { unexplained: "Unexplained: nothing came after it", unrecorded: "Facts were not kept", "no-request": "No request with the token" };

/** The facts that a beacon and a decision have in common: the other filters do not narrow the funnel. */
const KNOWN = ["platform", "build", "os", "model"] as const;
type Fact = (typeof KNOWN)[number];

export function Funnel() {
  const { address, go } = useApp();
  const { app, window, until, filters } = address;
  const known = Object.fromEntries(KNOWN.flatMap((name) => (filters[name] === undefined ? [] : [[name, filters[name]]])));
  const by = (address.more.by ?? "platform").split(",").filter((name): name is Fact => (KNOWN as readonly string[]).includes(name));
  const key = app ? JSON.stringify([app, window, until, known, by]) : null;
  const query = (): string => viewQuery({ ...address, filters: known }, now(), { by: by.join() });
  const switched = (name: Fact): void => {
    const wanted = KNOWN.filter((one) => (one === name ? !by.includes(one) : by.includes(one)));
    go({ ...address, more: { ...address.more, by: wanted.join() } }, true);
  };
  const polled = usePolled<Answer>(key, () => `${ofApp(app, "/view/funnel")}?${query()}`, until === null ? 5 : 0);
  const answer = polled.data;
  const nothing = answer?.steps.every((step) => !step.count);
  return (
    <>
      <Heading title="Funnel" polled={polled} />
      <Waiting polled={polled} />
      {answer && nothing && <Empty>No device asked for a challenge in this window.</Empty>}
      {answer && !nothing && (
        <>
          <section aria-labelledby="steps">
            <h2 id="steps">How far devices came</h2>
            <ol class="funnel">
              {answer.steps.map((step) => (
                <li key={step.step} data-step={step.step} data-value={step.count ?? undefined}>
                  <span>{named(STEPS, step.step) ?? step.step}</span>
                  <span class="bar" aria-hidden="true"><i style={{ width: `${Math.min(1, step.share ?? 0) * 100}%` }} /></span>
                  <b>{stepCount(step)}</b>
                  <span>{percent(step.share)} <small>of {step.of}</small></span>
                </li>
              ))}
            </ol>
          </section>
          <section aria-labelledby="losses">
            <h2 id="losses">Where they fell out</h2>
            <fieldset class="ticks">
              <legend>Told apart by</legend>
              {KNOWN.map((name) => (
                <label key={name} class="tick"><input type="checkbox" checked={by.includes(name)} onChange={() => switched(name)} /> {filterName(name)}</label>
              ))}
            </fieldset>
            {answer.losses.length === 0 ? <Empty>None fell out in this window.</Empty> : (
              <Table label="Where devices fell out, most first" head={["Cause", "After", "Who says so", "#How many", "#Share", "Facts"]}>
                {answer.losses.map((loss, index) => {
                  const [who, tone] = named(KINDS, loss.kind) ?? [loss.kind, "muted"];
                  return (
                    <tr key={index} data-cause={loss.cause} data-value={loss.count}>
                      <th scope="row">{named(CAUSES, loss.cause) ?? <code>{loss.cause}</code>}</th>
                      <td>{named(STEPS, loss.after) ?? loss.after}</td>
                      <td class="still"><i class={`dot ${tone}`} aria-hidden="true" /> {who}</td>
                      <td class="number">{count(loss.count)}</td>
                      <td class="number">{percent(loss.share)}</td>
                      <td>{Object.entries(loss.facts).map(([name, value]) => factText(name, value)).join(" · ") || "–"}</td>
                    </tr>
                  );
                })}
              </Table>
            )}
            <p class="hint">
              What apps report about themselves is never proof: it is counted here and changes no verdict.
              {answer.unexplained && <> After {count(answer.unexplained.count)} challenges ({percent(answer.unexplained.share)}) nothing came at all.</>}
              {answer.excess > 0 && <> {count(answer.excess)} answers belong to challenges from before this window.</>}
              {answer.not_shown.rows > 0 && <> {count(answer.not_shown.rows)} smaller losses are not shown.</>}
            </p>
          </section>
        </>
      )}
    </>
  );
}

function stepCount(step: FunnelStep): string {
  if (step.count === null) return "not known with filters";
  return step.error ? estimate({ estimate: step.count, error: step.error }) : count(step.count);
}
