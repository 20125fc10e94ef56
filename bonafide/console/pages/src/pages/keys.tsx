// Keys and support codes: from a code on a customer's screenshot to the decision, its facts, rule and advice.
import { useEffect, useState } from "preact/hooks";
import { toPage } from "../address.ts";
import { type Problem, admin, get, now, post } from "../api.ts";
import { useApp } from "../app.ts";
import type { Change, KeyStatus, SupportCode } from "../contract.ts";
import { watch } from "../effects.tsx";
import { asCode, flat, named, person, plain, seconds } from "../format.ts";
import { Heading } from "../heading.tsx";
import { Confirm, Go, Moment, ProblemNote } from "../parts.tsx";

const RETRY: Record<string, string> = {
  never: "not repeat the same request", now: "repeat it now", "after-challenge": "repeat it with a new challenge", later: "repeat it later",
};
const BLOCKS: [label: string, seconds: number | null][] = [["for good", null], ["for 1 hour", 3600], ["for 1 day", 86_400], ["for 7 days", 604_800]];

export function Keys() {
  const { address, go } = useApp();
  const asked = address.more.look ?? "";
  const [text, setText] = useState(asked);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [key, setKey] = useState<KeyStatus | null>(null);
  const [code, setCode] = useState<SupportCode | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    setText(asked);
    setKey(null);
    setCode(null);
    setProblem(null);
    if (!asked) return;
    const stop = new AbortController();
    const wanted = asCode(asked);
    setBusy(true);
    const answered = wanted
      ? get<SupportCode>(admin(`/support/${wanted}`), stop.signal).then(setCode)
      : get<KeyStatus>(admin(`/keys/${encodeURIComponent(asked)}`), stop.signal).then(setKey);
    answered.catch((error: Problem) => stop.signal.aborted || setProblem(error)).finally(() => setBusy(false));
    return () => stop.abort();
  }, [asked]);
  return (
    <>
      <Heading title="Keys and support codes" />
      <form class="look" role="search" onSubmit={(event) => { event.preventDefault(); go({ ...address, more: { look: text.trim() } }); }}>
        <label class="field">
          Support code or key id
          <input name="look" value={text} size={48} autocomplete="off" spellcheck={false} onInput={(event) => setText(event.currentTarget.value)} />
        </label>
        <button type="submit" class="primary">Look up</button>
      </form>
      {!asked && <p class="empty">A support code is what the app shows to a refused user, as in 7K2M9QXA. A key id stands in decisions, samples and the timeline.</p>}
      <div class="found" aria-live="polite">
        {busy && <p class="empty">Looking{asCode(asked) ? " through the logs" : ""}…</p>}
        {problem && <ProblemNote problem={problem} />}
        {code && <Code found={code} />}
        {key && <Key key={key.key_id} status={key} onChanged={setKey} />}
      </div>
    </>
  );
}

function Code({ found }: { found: SupportCode }) {
  const { address } = useApp();
  const [first] = found.decisions;
  return (
    <>
      <p class="hint">
        {found.decisions.length} decision{found.decisions.length === 1 ? "" : "s"} under {found.code}, searched from <Moment at={found.searched.since} /> to <Moment at={found.searched.until} short />
        {found.searched.complete ? "." : "; time ran out before all was read."}
      </p>
      {!first && <p class="empty">Nothing was decided under this code in that time.</p>}
      {found.decisions.map((one, index) => {
        const { facts, ...line } = one.decision;
        const keyId = typeof line.key_id === "string" ? line.key_id : "";
        return (
          <article key={index} class="sheet" aria-label={`Decision ${index + 1}`}>
            <h2>{String(line.outcome ?? "")}: {String(line.reason ?? "")} <small><Moment at={one.at} /></small></h2>
            {one.told && (
              <p>
                The client was told <b>{one.told.status} {one.told.title}</b> ({one.told.slug}); it may {named(RETRY, one.told.retry) ?? one.told.retry}.
                {one.told.advice.length > 0 && <> Advice: <b>{one.told.advice.join(", ")}</b>.</>}
              </p>
            )}
            {one.rules.map((rule) => (
              <figure key={rule.rule} class="rule">
                <figcaption>Rule <b>{rule.rule}</b>, line {rule.line}, advice: {rule.advice || "none"}</figcaption>
                <pre tabIndex={0} aria-label={`Text of the rule ${rule.rule}`}>{rule.text}</pre>
              </figure>
            ))}
            {keyId && <p><Go to={toPage(address, "keys", { look: keyId })}>Look at this key</Go></p>}
            <div class="columns even">
              <div><h3>Decision</h3><Facts of={line} /></div>
              {facts !== undefined && <div><h3>Facts that were judged</h3><Facts of={facts} /></div>}
            </div>
            <p class="hint">From {one.log}.</p>
          </article>
        );
      })}
    </>
  );
}

function Facts({ of }: { of: unknown }) {
  return <dl class="facts">{flat(of).map(([name, value]) => <><dt>{plain(name)}</dt><dd>{plain(value)}</dd></>)}</dl>;
}

function Key({ status, onChanged }: { status: KeyStatus; onChanged: (status: KeyStatus) => void }) {
  const [asking, setAsking] = useState<"block" | "unblock" | null>(null);
  const [length, setLength] = useState(0);
  const blocked = status.blocked_at !== null && (status.blocked_until === null || status.blocked_until > now());
  const act = async (reason: string): Promise<void> => {
    const asked = now();
    const duration = BLOCKS[length]![1];
    const body = asking === "block" ? { reason, ...(duration === null ? {} : { seconds: duration }) } : { why: reason };
    const answer = await post<KeyStatus & Change>(admin(`/keys/${encodeURIComponent(status.key_id)}/${asking}`), body);
    watch(status.app, asking === "block" ? "Key blocked" : "Key unblocked", asked, answer);
    onChanged({ ...status, ...answer });
  };
  return (
    <section class="sheet" aria-labelledby="key">
      <h2 id="key">Key of {status.app}: <span class={blocked ? "refused" : "accepted"}>{status.state}</span></h2>
      <dl class="facts">
        <dt>Key id</dt><dd class="mono">{status.key_id}</dd>
        <dt>Enrolled</dt><dd><Moment at={status.enrolled_at} /></dd>
        <dt>Last seen</dt><dd><Moment at={status.last_seen} /> <small>({seconds(Math.max(0, now() - status.last_seen))} ago)</small></dd>
        {status.blocked_at !== null && (
          <>
            <dt>Blocked</dt>
            <dd><Moment at={status.blocked_at} />, {status.blocked_until === null ? "for good" : <>until <Moment at={status.blocked_until} /></>}</dd>
            <dt>By</dt><dd title={status.blocked_by}>{person(status.blocked_by)}</dd>
            <dt>Reason</dt><dd>{status.reason}</dd>
          </>
        )}
      </dl>
      <div class="buttons">
        {blocked
          ? <button type="button" onClick={() => setAsking("unblock")}>Unblock…</button>
          : <button type="button" class="danger" onClick={() => setAsking("block")}>Block…</button>}
      </div>
      {status.facts && <details open><summary>What its last accepted evidence proved</summary><Facts of={status.facts} /></details>}
      {asking && (
        <Confirm title={asking === "block" ? "Block this key" : "Unblock this key"} verb={asking === "block" ? "Block one key" : "Unblock one key"}
          danger={asking === "block"} act={act} onDone={() => setAsking(null)}>
          {asking === "block" ? (
            <>
              <p>One install of {status.app} gets no token any more, and the tokens that it has are refused at every gate within seconds.</p>
              <label class="field">How long
                <select value={length} onChange={(event) => setLength(Number(event.currentTarget.value))}>
                  {BLOCKS.map(([name], index) => <option key={name} value={index}>{name}</option>)}
                </select>
              </label>
            </>
          ) : <p>One install of {status.app} may renew its token again.</p>}
        </Confirm>
      )}
    </section>
  );
}
