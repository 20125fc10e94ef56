// Pieces that several pages are made of.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Address, type Filter, writeAddress } from "./address.ts";
import { type Polled, Problem } from "./api.ts";
import { useApp } from "./app.ts";
import { clock, country, isUtcHere, moment, plain, seconds, sourceName, zoneName } from "./format.ts";

/** A link to a view. Opened elsewhere it is an address like any other. */
export function Go(props: { to: Address; class?: string; current?: boolean; children: ComponentChildren; label?: string }) {
  const { go } = useApp();
  const followed = (event: MouseEvent): void => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go(props.to);
  };
  return (
    <a href={writeAddress(props.to)} class={props.class ?? ""} onClick={followed} aria-label={props.label}
      aria-current={props.current ? "page" : undefined}>
      {props.children}
    </a>
  );
}

/** A time in the zone that was chosen, the other one beside it. */
export function Moment({ at, short = false }: { at: number | null | undefined; short?: boolean }) {
  const { zone } = useApp();
  if (at === null || at === undefined) return <>–</>;
  const other = zone === "utc" ? "local" : "utc";
  return (
    <time dateTime={new Date(at * 1000).toISOString()}>
      {short ? clock(at, zone) : moment(at, zone)} {zoneName(zone, at)}
      {!isUtcHere(at) && <>{" "}<small>{clock(at, other)} {zoneName(other, at)}</small></>}
    </time>
  );
}

/** What did not work, in words; said aloud once. `pause` is when it is tried again. */
export function ProblemNote({ problem, pause = 0 }: { problem: Problem; pause?: number }) {
  return (
    <div class="note bad">
      <div role="alert">
        <strong>{problem.title}</strong> {problem.detail}
        {problem.messages.length > 0 && (
          <ul>
            {problem.messages.map((message, index) => (
              <li key={index}>{message.line ? `Line ${message.line}: ` : ""}{message.text} {message.hint ?? ""}</li>
            ))}
          </ul>
        )}
      </div>
      {pause > 0 && <small>Next try in {seconds(pause)}.</small>}
    </div>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

/** What is shown instead of a page's content: nothing yet, or what is wrong. */
export function Waiting({ polled }: { polled: Polled<unknown> }) {
  if (polled.problem) {
    return (
      <>
        <ProblemNote problem={polled.problem} pause={polled.pause} />
        {polled.data !== null && polled.at > 0 && <p class="hint">Below is what was known at <Moment at={polled.at} short />.</p>}
      </>
    );
  }
  return polled.data === null ? <p class="empty" aria-busy="true">Asking the Admin API…</p> : null;
}

const FILTER_NAMES: Record<Filter, string> = {
  source: "source", outcome: "outcome", why: "reason", platform: "platform", build: "build", os: "system", model: "model",
  country: "country", route: "route",
};

export function filterName(filter: Filter): string {
  return FILTER_NAMES[filter];
}

/** A fact as people read it; an absent one says so. */
export function factText(filter: string, value: string): string {
  if (value === "") return filter === "why" ? "none" : "not told";
  if (filter === "country") return value.length === 2 ? `${country(value)} (${value})` : plain(value);
  return plain(filter === "source" ? sourceName(value) : value);
}

/** A wide table in a box of its own that scrolls, also by keyboard. */
export function Scroll({ label, children }: { label: string; children: ComponentChildren }) {
  return <div class="scroll" tabIndex={0} role="region" aria-label={label}>{children}</div>;
}

/** A wide table. A name that begins with # stands above numbers. */
export function Table({ label, head, class: kind = "", children }: { label: string; head: string[]; class?: string; children: ComponentChildren }) {
  return (
    <Scroll label={label}>
      <table class={kind}>
        <thead><tr>{head.map((name, index) => <th scope="col" key={index} class={name[0] === "#" ? "number" : ""}>{name.replace("#", "")}</th>)}</tr></thead>
        <tbody>{children}</tbody>
      </table>
    </Scroll>
  );
}

/** Asks once more before something changes. `children` say what will happen to how many. */
export function Confirm({ title, verb, danger, children, onDone, act }: {
  title: string; verb: string; danger?: boolean; children: ComponentChildren; onDone: () => void; act: (reason: string) => Promise<void>;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const sent = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy) return;
    if (!reason.trim()) return setProblem(new Problem("", 0, "A reason is needed.", "It stands in the audit record and in the timeline."));
    setBusy(true);
    setProblem(null);
    try {
      await act(reason.trim());
      dialog.current?.close(); // gives the focus back to where it came from, if that is still there
      onDone();
      requestAnimationFrame(() => document.activeElement === document.body && document.querySelector("h1")?.focus());
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem("", 0, "Something went wrong in this page.", String(error)));
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} onClose={onDone} aria-labelledby="confirm-title">
      <form onSubmit={sent}>
        <h2 id="confirm-title">{title}</h2>
        {children}
        <label class="field">
          Reason <small>is kept with your name in the audit record</small>
          <textarea name="reason" rows={2} maxLength={200} value={reason} autofocus required
            onInput={(event) => setReason(event.currentTarget.value)} />
        </label>
        {problem && <ProblemNote problem={problem} />}
        <div class="buttons">
          <button type="button" onClick={() => dialog.current?.close()}>Cancel</button>
          <button type="submit" class={danger ? "danger" : "primary"} aria-disabled={busy}>{busy ? "Working…" : verb}</button>
        </div>
      </form>
    </dialog>
  );
}
