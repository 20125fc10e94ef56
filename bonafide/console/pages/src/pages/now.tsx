// Now: is it them or us, and what is moving.
import { narrowed, toPage, viewQuery } from "../address.ts";
import { now, ofApp, usePolled } from "../api.ts";
import { useApp } from "../app.ts";
import { Chart, type Line } from "../chart.tsx";
import type { View } from "../contract.ts";
import { count, estimate, named, percent, plain, rate, seconds, sourceName } from "../format.ts";
import { Heading } from "../heading.tsx";
import { Empty, Go, Moment, Table, Waiting } from "../parts.tsx";
import { rates } from "../series.ts";
import { Marks, useMarks } from "./incidents.tsx";

const CHARTED = ["authorize", "enrol", "renew"];
const REFUSED: Record<string, string> = { authorize: "Requests refused", enrol: "Enrolments refused", renew: "Renewals refused" };
const COUNTED = ["authorize", "enrol", "renew", "signal", "secret", "challenge", "beacon"];
const VERDICTS: Record<string, [title: string, tone: string]> = {
  them: ["It is them", "refused"],
  us: ["It is us", "unavailable"],
  vendor: ["It is a vendor", "unavailable"],
  quiet: ["All is quiet", "accepted"],
  unclear: ["Not clear yet", "muted"],
};
const VENDORS: Record<string, string> = {
  apple: "Apple", "google-status-list": "Google's list of revoked keys", "play-decode": "Play Integrity", huawei: "Huawei",
};
const STATES: Record<string, [words: string, tone: string]> = {
  ok: ["answers", "accepted"], late: ["late", "unavailable"], failing: ["failing", "refused"], unknown: ["not asked", "muted"],
};

export function useView() {
  const { address } = useApp();
  const { app, window, until, filters } = address;
  const key = app ? JSON.stringify([app, window, until, filters]) : null;
  return usePolled<View>(key, () => `${ofApp(app, "/view")}?${viewQuery(address, now())}`, until === null ? 2 : 0);
}

export function Now() {
  const polled = useView();
  const view = polled.data;
  return (
    <>
      <Heading title="Now" polled={polled} delay={view?.delay ?? null} />
      <Waiting polled={polled} />
      {view && (
        <>
          <Verdict view={view} />
          <Charts view={view} />
          <Counts view={view} />
          <div class="columns">
            <Gate view={view} />
            <Vendors view={view} />
          </div>
        </>
      )}
    </>
  );
}

function Verdict({ view }: { view: View }) {
  const { address } = useApp();
  const [title, tone] = named(VERDICTS, view.them_or_us.verdict) ?? [view.them_or_us.verdict, "muted"];
  return (
    <section class={`verdict ${tone}`} aria-labelledby="verdict" data-verdict={view.them_or_us.verdict}>
      <div>
        <small>Them or us</small>
        <h2 id="verdict" aria-live="polite">{title}</h2>
      </div>
      <ul>{view.them_or_us.because.map((sentence) => <li key={sentence}>{sentence}</li>)}</ul>
      <p class="incident">
        <small>Newest incident</small>
        {view.incident
          ? <><Go to={toPage(address, "incidents", { incident: view.incident.id })}>{plain(view.incident.title)}</Go> <Moment at={view.incident.at} short /></>
          : "none open"}
        <Go to={toPage(address, "causes")}>What changed</Go>
      </p>
    </section>
  );
}

function Charts({ view }: { view: View }) {
  const { unit } = rate(view.step);
  const marks = useMarks();
  const shown = CHARTED.filter((source) => view.series[source]);
  if (!shown.length) return <Empty>Nothing of these was counted in this window.</Empty>;
  const lines = (source: string, ...outcomes: string[]): Line[] =>
    outcomes.flatMap((outcome) => {
      const counts = view.series[source]?.[outcome];
      return counts ? [{ label: outcome, tone: outcome, dashed: outcome === "unavailable", values: rates(counts, view.at, view.step, now()) }] : [];
    });
  return (
    <div class="charts">
      {shown.map((source) => (
        <section key={source} class="pair" aria-label={sourceName(source)}>
          <Chart title={sourceName(source)} unit={unit} at={view.at} step={view.step} lines={lines(source, "accepted")} marks={marks} />
          <Chart title={REFUSED[source]!} unit={unit} at={view.at} step={view.step}
            lines={lines(source, "refused", "unavailable")} marks={marks} />
        </section>
      ))}
      <Marks marks={marks} />
    </div>
  );
}

function Counts({ view }: { view: View }) {
  const { address } = useApp();
  const shown = COUNTED.filter((source) => view.totals[source]);
  if (!shown.length) return null;
  const total = (source: string, outcome: string): number => view.totals[source]?.[outcome] ?? 0;
  return (
    <section aria-labelledby="counts">
      <h2 id="counts">In this window</h2>
      <Table label="Decisions in this window" class="counts" head={["What", "#Accepted", "#Refused", "#Unavailable", "#Refused share", "#Before", "#Keys refused", "#Keys accepted"]}>
        {shown.map((source) => {
          const usual = source === "challenge" ? "issued" : source === "beacon" ? "reported" : "accepted";
          return (
            <tr key={source}>
              <th scope="row"><Go to={toPage(narrowed(address, "source", source), "causes", { by: "why" })}>{sourceName(source)}</Go></th>
              <td class="number" data-count={`${source} ${usual}`}>{count(total(source, usual))}{usual !== "accepted" && <small> {usual}</small>}</td>
              <td class="number" data-count={`${source} refused`}>{count(total(source, "refused"))}</td>
              <td class="number" data-count={`${source} unavailable`}>{count(total(source, "unavailable"))}</td>
              <td class="number"><b>{percent(view.refused_share[source])}</b></td>
              <td class="number">{percent(view.refused_share.before?.[source])}</td>
              <td class="number">{estimate(view.unique_keys[source]?.refused)}</td>
              <td class="number">{estimate(view.unique_keys[source]?.accepted)}</td>
            </tr>
          );
        })}
      </Table>
      {Object.values(view.unrecorded).some((value) => value > 0) && (
        <p class="hint">
          Beyond the bounded number of combinations, counted without their facts:{" "}
          {Object.entries(view.unrecorded).filter(([, value]) => value > 0).map(([source, value]) => `${sourceName(source)} ${count(value)}`).join(", ")}.
        </p>
      )}
    </section>
  );
}

function Gate({ view }: { view: View }) {
  const gate = view.gate;
  return (
    <section aria-labelledby="gate">
      <h2 id="gate">Gate</h2>
      {gate === null ? <Empty>No authorizer has written a line in this window.</Empty> : (
        <dl class="facts">
          <dt>Trust bundle in use</dt>
          <dd>{gate.bundle_versions[0] === gate.bundle_versions[1] ? gate.bundle_versions[0] : `${gate.bundle_versions[0]} to ${gate.bundle_versions[1]}`}</dd>
          <dt>Published</dt>
          <dd>{gate.published_version ?? "–"}</dd>
          <dt>Oldest bundle in use</dt>
          <dd>{seconds(gate.bundle_age)} old</dd>
        </dl>
      )}
    </section>
  );
}

function Vendors({ view }: { view: View }) {
  return (
    <section aria-labelledby="vendors">
      <h2 id="vendors">Vendors</h2>
      {view.vendors.length === 0 ? <Empty>Nothing is known of vendors.</Empty> : (
        <Table label="State of each vendor" head={["Vendor", "State", "#Newest answer", "Detail"]}>
          {view.vendors.map((vendor) => {
            const [words, tone] = named(STATES, vendor.state) ?? [vendor.state, "muted"];
            return (
              <tr key={vendor.name}>
                <th scope="row">{named(VENDORS, vendor.name) ?? vendor.name}</th>
                <td class="still"><i class={`dot ${tone}`} aria-hidden="true" /> {words}</td>
                <td class="number">{vendor.age === null ? "–" : `${seconds(vendor.age)} ago`}</td>
                <td>{vendor.detail}</td>
              </tr>
            );
          })}
        </Table>
      )}
    </section>
  );
}
