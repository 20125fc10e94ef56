// Policies: what is active, its versions, a draft from text to effect.
import { useEffect, useRef, useState } from "preact/hooks";
import { toPage } from "../address.ts";
import { Problem, admin, get, ofApp, post, usePolled } from "../api.ts";
import { useApp } from "../app.ts";
import type { Change, Incident, PolicyFacts, PolicyHead, PolicyTexts } from "../contract.ts";
import { person } from "../format.ts";
import { Heading } from "../heading.tsx";
import { Empty, Go, Moment, ProblemNote, Table, Waiting } from "../parts.tsx";
import { type Action, ActionDialog } from "./actions.tsx";
import { Apart } from "./apart.tsx";
import { Editor, useLint } from "./draft.tsx";
import { Replay, type Replayed, harm } from "./replay.tsx";

/** What was typed, as long as this page is open: nothing of it is stored. */
interface Draft { key: string; began: string; text: string; begin: number; seen: number; notes: string[]; replayed: Replayed | null }
const drafts = new Map<string, Draft>();

export function Policies() {
  const { address, go } = useApp();
  const { app, more } = address;
  const path = admin(`/policies/${encodeURIComponent(app)}`);
  const [turn, setTurn] = useState(0);
  const polled = usePolled<PolicyHead>(app ? `head ${app} ${turn}` : null, () => path, 5);
  const history = usePolled<{ versions: PolicyFacts[] }>(app ? `history ${app} ${turn} ${polled.data?.latest ?? ""}` : null, () => `${path}/history`, 0);
  const [action, setAction] = useState<Action | null>(null);
  const known = useRef<PolicyHead | null>(null);
  if (polled.data || known.current?.app !== app) known.current = polled.data; // stays while it is asked anew
  const head = known.current;
  const changed = (answer: Change): void => {
    if (action?.kind === "publish") {
      drafts.delete(app);
      go(toPage(address, "policies", answer.added ? { version: String(answer.added.version) } : {}));
    }
    setTurn(turn + 1);
  };
  return (
    <>
      <Heading title="Policies" />
      {(!head || polled.problem) && <Waiting polled={polled} />}
      {head && (
        <>
          <Active head={head} onAction={setAction} />
          {more.draft !== undefined
            ? <DraftPart key={`${app} ${more.draft} ${more.facts ?? more.incident ?? ""}`} path={path} head={head} onAction={setAction} />
            : <p><Go to={toPage(address, "policies", { draft: String(head.stable) })} class="button">Write a draft</Go></p>}
          {(more.version ?? more.proposal) !== undefined && <Text key={`${more.version} ${more.proposal}`} path={path} />}
          <Versions polled={history} head={head} onAction={setAction} />
        </>
      )}
      {action && head && <ActionDialog app={app} head={head} action={action} onDone={() => setAction(null)} onChanged={changed} />}
    </>
  );
}

function Active({ head, onAction }: { head: PolicyHead; onAction: (action: Action) => void }) {
  const { address } = useApp();
  const path = ofApp(head.app, "/not-before");
  const before = usePolled<{ tokens_not_before: number | null }>(path, () => path, 10).data?.tokens_not_before;
  const version = (number: number) => <Go to={toPage(address, "policies", { version: String(number) })}>{number === 0 ? "the built-in policy" : `version ${number}`}</Go>;
  return (
    <section class="sheet" aria-labelledby="active">
      <h2 id="active">Active for {head.app}</h2>
      <p>
        {head.canary
          ? <>For {head.canary.rollout} % of keys {version(head.canary.version)}, which is rolling out; for the others {version(head.stable)}.</>
          : <>For all keys {version(head.stable)}.</>}
        {head.approval === "two-person" && <> Changes need a second person.</>}
      </p>
      {!!before && <p>Tokens minted before <Moment at={before} /> are refused.</p>}
      {head.proposal !== null && (
        <p class="note">
          <Go to={toPage(address, "policies", { proposal: String(head.proposal) })}>Proposal {head.proposal}</Go> waits for a second person.{" "}
          <button type="button" onClick={() => onAction({ kind: "approve", proposal: head.proposal! })}>Approve…</button>{" "}
          <button type="button" onClick={() => onAction({ kind: "reject", proposal: head.proposal! })}>Reject…</button>
        </p>
      )}
      <div class="buttons">
        {head.canary && <button type="button" class="primary" onClick={() => onAction({ kind: "promote", version: head.canary!.version, rollout: head.canary!.rollout })}>Promote version {head.canary.version}…</button>}
        {head.latest > 0 && <button type="button" onClick={() => onAction({ kind: "rollback", to: null, latest: head.latest })}>Roll back…</button>}
        <button type="button" onClick={() => onAction({ kind: "not-before" })}>Refuse older tokens…</button>
      </div>
    </section>
  );
}

function DraftPart({ path, head, onAction }: { path: string; head: PolicyHead; onAction: (action: Action) => void }) {
  const { address, go } = useApp();
  const { app, more } = address;
  const key = `${more.draft} ${more.facts ?? more.incident ?? ""}`;
  const known = drafts.get(app);
  const [draft, setDraft] = useState<Draft | null>(known?.key === key ? known : null);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    if (draft) return;
    const stop = new AbortController();
    const made = (text: string, rule = "", notes: string[] = []): void =>
      keep({ key, began: text, text, begin: lineOf(text, `@id("${rule}")`), seen: head.latest, notes, replayed: null });
    const asked = more.facts === undefined
      ? Promise.all([
        get<PolicyTexts>(`${path}/versions/${Number(more.draft) || head.stable}`, stop.signal),
        more.incident ? get<Incident>(ofApp(app, `/incidents/${encodeURIComponent(more.incident)}`), stop.signal) : null,
      ]).then(([{ appraisal }, incident]) => {
        const rule = incident?.remedy.rule ?? "";
        made(rule ? `${appraisal.trimEnd()}\n\n${rule}` : appraisal, /@id\("([a-z0-9-]+)"\)/.exec(rule)?.[1]);
      })
      : post<{ appraisal: string; rule: string; notes?: string[] }>("/api/draft", { app, facts: parsed(more.facts), outcome: "contraindicated" }, stop.signal)
        .then((drafted) => made(drafted.appraisal, drafted.rule, drafted.notes));
    asked.catch((error: unknown) => stop.signal.aborted || setProblem(error instanceof Problem ? error : new Problem("", 0, "The draft could not be made.", "")));
    return () => stop.abort();
  }, []);
  const edited = draft !== null && draft.text !== draft.began;
  useEffect(() => {
    if (!edited) return;
    const leaving = (event: BeforeUnloadEvent): void => event.preventDefault();
    addEventListener("beforeunload", leaving);
    return () => removeEventListener("beforeunload", leaving);
  }, [edited]);
  const keep = (next: Draft): void => {
    drafts.set(app, next);
    setDraft(next);
  };
  const lint = useLint(app, draft?.text ?? "");
  const errors = lint.messages?.some((message) => message.severity === "error");
  const broken = errors !== false; // also while the linter is asked
  const away = (): void => {
    drafts.delete(app);
    go(toPage(address, "policies"));
  };
  return (
    <section class="sheet" aria-labelledby="draft">
      <h2 id="draft">Draft</h2>
      {problem && <><ProblemNote problem={problem} /><div class="buttons"><button type="button" onClick={away}>Close</button></div></>}
      {!draft && !problem && <p class="empty" aria-busy="true">{more.facts ?? more.incident ? "Writing a rule from the cause…" : "Reading the policy…"}</p>}
      {draft && (
        <>
          {draft.notes.length > 0 && <div class="note"><ul>{draft.notes.map((note) => <li key={note}>{note}</li>)}</ul></div>}
          {draft.seen !== head.latest && <p class="note bad" role="alert">Version {head.latest} was published since this draft was begun: publishing it would be refused. Begin anew from that version.</p>}
          {more.facts !== undefined && <Apart facts={parsed(more.facts)} />}
          <Editor text={draft.text} begin={draft.begin} onEdit={(text) => keep({ ...draft, text })} messages={lint.messages} problem={lint.problem} />
          <Replay text={draft.text} broken={broken} errors={errors === true} replayed={draft.replayed} onReplayed={(replayed) => keep({ ...drafts.get(app)!, replayed })} />
          <div class="buttons">
            <button type="button" class="primary" disabled={broken}
              onClick={() => onAction({ kind: "publish", text: draft.text, seen: draft.seen, harm: harm(draft.replayed, draft.text) })}>Publish…</button>
            <button type="button" onClick={away}>Throw the draft away</button>
          </div>
        </>
      )}
    </section>
  );
}

function lineOf(text: string, part: string): number {
  const at = text.indexOf(part);
  return at < 0 ? 1 : text.slice(0, at).split("\n").length;
}

/** The facts of an address, which anyone may have written. */
function parsed(facts: string): Record<string, string> {
  try {
    const read: unknown = JSON.parse(facts);
    return typeof read === "object" && read !== null ? Object.fromEntries(Object.entries(read).map(([name, value]) => [name, String(value)])) : {};
  } catch {
    return {};
  }
}

function Text({ path }: { path: string }) {
  const { address } = useApp();
  const { version, proposal } = address.more;
  const title = version === undefined ? `Proposal ${proposal}` : version === "0" ? "The built-in policy" : `Version ${version}`;
  const asked = `${path}/${version === undefined ? `proposals/${encodeURIComponent(proposal!)}` : `versions/${encodeURIComponent(version)}`}`;
  const polled = usePolled<PolicyTexts>(asked, () => asked, 0);
  const found = polled.data;
  return (
    <section class="sheet" aria-labelledby="text">
      <h2 id="text">{title}</h2>
      <Waiting polled={polled} />
      {found && (
        <>
          <p>{found.why}{found.by && <> · {person(found.by)}</>}{found.approved_by && <>, approved by {person(found.approved_by)}</>}{found.at > 0 && <> · <Moment at={found.at} /></>}</p>
          <pre class="document" tabIndex={0} aria-label={`Appraisal policy of ${title}`}>{found.appraisal}</pre>
          {found.client && <details><summary>Client policy</summary><pre class="document" tabIndex={0} aria-label={`Client policy of ${title}`}>{found.client}</pre></details>}
        </>
      )}
      <div class="buttons">
        {version !== undefined && <Go to={toPage(address, "policies", { draft: version })} class="button">Draft from this</Go>}
        <Go to={toPage(address, "policies")} class="button">Close</Go>
      </div>
    </section>
  );
}

function Versions({ polled, head, onAction }: {
  polled: ReturnType<typeof usePolled<{ versions: PolicyFacts[] }>>; head: PolicyHead; onAction: (action: Action) => void;
}) {
  const { address } = useApp();
  const versions = polled.data?.versions ?? [];
  const state = (version: number): string =>
    version === head.canary?.version ? `${head.canary.rollout} % of keys` : version === head.stable ? (head.canary ? "the other keys" : "all keys") : "";
  return (
    <section aria-labelledby="versions">
      <h2 id="versions">Versions</h2>
      <Waiting polled={polled} />
      {polled.data && versions.length === 0 && <Empty>Nothing was published: the built-in policy is active.</Empty>}
      {versions.length > 0 && (
        <Table label="Versions, the newest first" head={["Version", "Active for", "When", "Why", "Who", "Effect", "Do"]}>
          {versions.map((one) => (
            <tr key={one.version} data-version={one.version}>
              <th scope="row"><Go to={toPage(address, "policies", { version: String(one.version) })}>{one.version}</Go></th>
              <td class="still">{state(one.version)}</td>
              <td class="still"><Moment at={one.at} /></td>
              <td>{one.why}{one.restores !== null && <small> restores {one.restores}</small>}</td>
              <td class="who-did" title={one.by}>{person(one.by)}{one.approved_by && <small> approved by {person(one.approved_by)}</small>}</td>
              <td class="still">{one.effect === "now" ? "now" : "next renewal"}</td>
              <td>
                {one.version !== head.stable && one.version !== head.canary?.version && (
                  <button type="button" class="link" onClick={() => onAction({ kind: "rollback", to: one.version, latest: head.latest })}>
                    Roll back to it…<span class="unseen"> version {one.version}</span>
                  </button>
                )}
              </td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}
