// Changes made on these pages, and how long each took until every gate held to it.
import { useEffect, useState } from "preact/hooks";
import { get, now, ofApp } from "./api.ts";
import { announce } from "./app.ts";
import type { Change, View } from "./contract.ts";
import { seconds } from "./format.ts";

interface Effect {
  id: number;
  app: string;
  title: string;
  /** Server time at which the operator confirmed. */
  asked: number;
  /** The trust bundle that carries the change; null for a change that reaches keys as they renew. */
  bundle: number | null;
  note: string;
  refusedBefore: number | null;
  first: number | null;
  held: number | null;
  refusedNow: number | null;
}

const WATCHED_FOR = 600;
const LOOK_BACK = 6;
let effects: Effect[] = [];
let last = 0;
const listeners = new Set<() => void>();

function changed(id: number, part: Partial<Effect>): void {
  effects = effects.map((effect) => (effect.id === id ? { ...effect, ...part } : effect));
  for (const listener of listeners) listener();
}

/** Watch a change until it holds. `asked` is when it was confirmed, before the call. */
export function watch(app: string, title: string, asked: number, answer: Change): void {
  const bundle = answer.published === true ? (answer.bundle_version ?? null) : null;
  const note = answer.published === false ? (answer.what_to_do ?? "It is stored, but not yet published.") : "";
  last += 1;
  const effect = { id: last, app, title, asked, bundle, note, refusedBefore: null, first: null, held: null, refusedNow: null };
  effects = [effect, ...effects].slice(0, 5);
  changed(last, {});
  announce(`${title}: done.`);
  if (bundle !== null) void follow(last, app, asked, bundle, title);
}

async function follow(id: number, app: string, asked: number, bundle: number, title: string): Promise<void> {
  while (now() - asked < WATCHED_FOR && effects.some((effect) => effect.id === id)) {
    const since = Math.floor((now() - LOOK_BACK) / 2) * 2;
    const view = await get<View>(`${ofApp(app, "/view")}?since=${since}&source=authorize&step=2`).catch(() => null);
    const effect = effects.find((one) => one.id === id);
    if (view?.gate && effect) {
      const [lowest, highest] = view.gate.bundle_versions;
      if (highest >= bundle && effect.first === null) changed(id, { first: now() - asked });
      if (lowest >= bundle) {
        const took = now() - asked;
        changed(id, { first: effect.first ?? took, held: took });
        announce(`${title}: holds at every gate seen, after ${seconds(took)}.`);
        return;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** The changes of this visit, above every page. */
export function Effects() {
  const [, redraw] = useState(0);
  useEffect(() => {
    const listener = (): void => redraw((count) => count + 1);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  if (!effects.length) return null;
  return (
    <ul class="effects" aria-label="Your changes">
      {effects.map((effect) => (
        <li key={effect.id} data-held={effect.held ?? undefined}>
          <b>{effect.title}</b> <span>{state(effect)}</span>
          <button type="button" class="quiet" aria-label={`Do not show "${effect.title}" any longer`}
            onClick={() => { effects = effects.filter((one) => one.id !== effect.id); redraw((count) => count + 1); }}>×</button>
        </li>
      ))}
    </ul>
  );
}

function state(effect: Effect): string {
  if (effect.note) return effect.note;
  if (effect.bundle === null) return "is stored; it holds for each key as it renews, within minutes.";
  if (effect.held !== null) return `holds at every gate seen: trust bundle ${effect.bundle}, ${effect.held.toFixed(1)} s after you confirmed.`;
  if (effect.first !== null) return `has reached the first gate after ${effect.first.toFixed(1)} s; waiting for the others.`;
  return `is published in trust bundle ${effect.bundle}; no gate has shown it yet.`;
}
