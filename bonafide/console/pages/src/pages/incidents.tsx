// Incidents: what detectors found, since when, whom it concerns, how sure it is, and what to do about it.
import { useEffect, useState } from "preact/hooks";
import { toPage, viewQuery } from "../address.ts";
import { now, ofApp, post, usePolled } from "../api.ts";
import { announce, useApp } from "../app.ts";
import type { Incident, Incidents as Answer } from "../contract.ts";
import { count, named, percent, person, plain, seconds } from "../format.ts";
import { Heading } from "../heading.tsx";
import { Confirm, Empty, Go, Moment, Table, Waiting, factText } from "../parts.tsx";

const EVERY = 10;
const ALL = "all";
const STATES: Record<string, [words: string, tone: string]> = { open: ["open", "refused"], ended: ["ended by itself", "muted"], closed: ["closed", "muted"] };
const SCOPES: Record<string, string> = {
  key: "Names keys: a rule may refuse them.", batch: "Names a batch that honest keys share: a rule can only warn.",
  network: "Names a network that honest keys share: a rule can only warn.", population: "Names no key: policies do not see it.",
};

/** Open incidents, or all that opened in the window, newest first; those of all apps as well. */
export function useIncidents(state: "open" | "all") {
  const { address } = useApp();
  const { app, window, until } = address;
  const key = app ? `incidents ${app} ${state}${state === ALL ? ` ${window} ${until}` : ""}` : null;
  const path = (): string => `${ofApp(app, "/incidents")}?state=${state}${state === ALL ? `&${viewQuery({ ...address, filters: {} }, now())}` : ""}`;
  return usePolled<Answer>(key, path, state === ALL && until !== null ? 0 : EVERY);
}

/** How many are open, beside the page's name. */
export function OpenIncidents() {
  const open = useIncidents("open").data?.incidents.length ?? 0;
  return open ? <> <b class="new badge">{count(open)}<span class="unseen"> open</span></b></> : null;
}

/** What charts draw of incidents that opened in the window, and the list that says what each mark is. */
export function useMarks() {
  const seen = [...(useIncidents(ALL).data?.incidents ?? [])].reverse();
  return seen.map((incident, index) => ({ at: incident.opened_at, label: `I${index + 1}`, incident }));
}

export function Marks({ marks }: { marks: ReturnType<typeof useMarks> }) {
  const { address } = useApp();
  if (!marks.length) return null;
  return (
    <ul class="chips" aria-label="Incidents in this window">
      {marks.map(({ label, incident }) => (
        <li key={incident.id}><Go to={toPage(address, "incidents", { incident: incident.id })}><small>{label}</small> {plain(incident.title)}</Go></li>
      ))}
    </ul>
  );
}

export function Incidents() {
  const { address, go } = useApp();
  const { more } = address;
  const state = more.state === ALL ? ALL : "open";
  const polled = useIncidents(state);
  const found = polled.data?.incidents ?? [];
  return (
    <>
      <Heading title="Incidents" polled={polled} />
      <span class="segments" role="group" aria-label="Which incidents">
        {([["open", "Open"], [ALL, "All in this window"]] as const).map(([value, name]) => (
          <button type="button" key={value} aria-pressed={state === value} onClick={() => go({ ...address, more: value === ALL ? { state: ALL } : {} })}>{name}</button>
        ))}
      </span>
      {more.incident !== undefined && <Detail key={more.incident} id={more.incident} />}
      <section aria-labelledby="list">
        <h2 id="list" class="unseen">List</h2>
        <Waiting polled={polled} />
        {polled.data && !found.length && <Empty>{state === ALL ? "No incident opened in this window." : "No incident is open."} Detectors look at every decision within a minute.</Empty>}
        {found.length > 0 && (
          <Table label="Incidents, the newest first" head={["What", "State", "Since", "Detector", "Whom", "#How sure"]}>
            {found.map((one) => (
              <tr key={one.id} data-incident={one.id}>
                <th scope="row"><Go to={{ ...address, more: { ...more, incident: one.id } }} current={one.id === more.incident}>{plain(one.title)}</Go></th>
                <td class="still"><State incident={one} /></td>
                <td class="still"><Moment at={one.since} /></td>
                <td class="still">{one.detector}</td>
                <td>{whom(one)}</td>
                <td class="number">{percent(one.confidence)}</td>
              </tr>
            ))}
          </Table>
        )}
        {polled.data?.next && <p class="hint">Older ones: <code>bonafide incident list --app {address.app}</code>.</p>}
      </section>
    </>
  );
}

function State({ incident }: { incident: Incident }) {
  const [words, tone] = named(STATES, incident.state) ?? [incident.state, "muted"];
  return <><i class={`dot ${tone}`} aria-hidden="true" /> {words}</>;
}

function whom(incident: Incident): string {
  return Object.entries(incident.counts).map(([name, number]) => `${count(number)} ${plain(name)}`).join(", ") || "–";
}

function Detail({ id }: { id: string }) {
  const { address } = useApp();
  const [turn, setTurn] = useState(0);
  const [closing, setClosing] = useState(false);
  const path = ofApp(address.app, `/incidents/${encodeURIComponent(id)}`);
  const polled = usePolled<Incident>(`${path} ${turn}`, () => path, EVERY);
  const one = polled.data;
  useEffect(() => document.getElementById("incident")?.focus(), [one === null]);
  const closed = async (reason: string): Promise<void> => {
    await post(ofApp(one!.app, `/incidents/${encodeURIComponent(id)}/close`), { reason });
    announce("The incident is closed.");
    setTurn(turn + 1);
  };
  return (
    <section class="sheet" aria-labelledby="incident">
      <h2 id="incident" tabIndex={-1}>{one ? plain(one.title) : "Incident"}</h2>
      <Waiting polled={polled} />
      {one && (
        <>
          <dl class="facts">
            <dt>State</dt>
            <dd>
              <State incident={one} />{one.ended_at !== null && <>, <Moment at={one.ended_at} /></>}
              {one.closed && <> by {person(one.closed.by)}: {plain(one.closed.reason)}</>}
            </dd>
            {one.app !== address.app && <><dt>App</dt><dd>all</dd></>}
            <dt>Detector</dt><dd>{one.detector}. {named(SCOPES, one.scope) ?? one.scope}</dd>
            <dt>Since</dt><dd><Moment at={one.since} />, latest <Moment at={one.last} /></dd>
            <dt>Opened</dt><dd><Moment at={one.opened_at} />, {seconds(Math.max(0, one.opened_at - one.since))} after it began</dd>
            <dt>Whom</dt><dd>{whom(one)}</dd>
            {Object.entries(one.named).map(([name, value]) => <><dt>{plain(name)}</dt><dd>{factText(name, value)}</dd></>)}
            {one.own_signer_share !== null && <><dt>App's own signer</dt><dd>{percent(one.own_signer_share)} of these decisions, as hardware attests</dd></>}
            <dt>How sure</dt><dd>{percent(one.confidence)}</dd>
            <dt>Because</dt><dd><ul>{one.because.map((sentence) => <li key={sentence}>{plain(sentence)}</li>)}</ul></dd>
          </dl>
          {one.keys.length > 0 && (
            <details><summary>{count(one.keys.length)} of the keys</summary>
              <ul class="keys">{one.keys.map((key) => <li key={key}><Go to={toPage(address, "keys", { look: key })}>{plain(key)}</Go></li>)}</ul>
            </details>
          )}
          <h3>What to do</h3>
          <p>{plain(one.remedy.text)}</p>
          {one.remedy.rule && <pre class="document" tabIndex={0} aria-label="Drafted rule">{one.remedy.rule.split("\n").map(plain).join("\n")}</pre>}
          {one.remedy.command && <p><code>{plain(one.remedy.command)}</code></p>}
        </>
      )}
      <div class="buttons">
        {one?.remedy.rule && <Go to={{ ...toPage(address, "policies", { draft: "new", incident: id }), filters: {} }} class="button">Draft this rule</Go>}
        {one?.state === "open" && <button type="button" onClick={() => setClosing(true)}>Close the incident…</button>}
        <Go to={toPage(address, "incidents", address.more.state ? { state: address.more.state } : {})} class="button">Back to the list</Go>
      </div>
      {closing && one && (
        <Confirm title="Close the incident" verb="Close it" act={closed} onDone={() => setClosing(false)}>
          <p>{plain(one.title)}</p>
          <p>Policies no longer see it within a minute. The same finding does not open again for 24 hours.</p>
        </Confirm>
      )}
    </section>
  );
}
