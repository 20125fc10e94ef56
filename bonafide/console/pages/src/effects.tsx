// Changes made on these pages, and how long each took until every gate held to it.
import { useEffect, useState } from "preact/hooks";
import { get, now, ofApp } from "./api.ts";
import { announce } from "./app.ts";
import type { Change, View } from "./contract.ts";
import { short } from "./format.ts";

interface Effect {
  id: number;
  title: string;
  /** The trust bundle that carries the change; null for a change that reaches keys as they renew. */
  bundle: number | null;
  note: string;
  /** Seconds from the confirmation to the first gate that had it, and until none was seen without it. */
  first: number | null;
  held: number | null;
  /** Refused requests a second at the gate, before the confirmation and in the newest seconds. */
  before: number | null;
  refused: number | null;
}

/** Seconds that a change is watched, and that its refusals are watched on once it holds. */
const WATCHED_FOR = 600;
const WATCHED_ON = 30;
/** How far back "now" and "before" reach. */
const NEWEST = 4;
const BEFORE = 60;
let effects: Effect[] = [];
let last = 0;
const listeners = new Set<() => void>();

function changed(id: number, part: Partial<Effect>): void {
  effects = effects.map((effect) => (effect.id === id ? { ...effect, ...part } : effect));
  for (const listener of listeners) listener();
}

/** Watch a change until it holds. `asked` is when it was confirmed, before the call; `note` what is to be said of a change
 * that no bundle carries. */
export function watch(app: string, title: string, asked: number, answer: Change, note = ""): void {
  const bundle = answer.published === true ? (answer.bundle_version ?? null) : null;
  const said = answer.published === false ? (answer.what_to_do ?? "It is stored, but not yet published.") : bundle === null ? note : "";
  last += 1;
  effects = [{ id: last, title, bundle, note: said, first: null, held: null, before: null, refused: null }, ...effects].slice(0, 5);
  changed(last, {});
  announce(`${title}.`);
  if (bundle !== null) void follow(last, app, asked, bundle, title);
}

async function follow(id: number, app: string, asked: number, bundle: number, title: string): Promise<void> {
  const look = (since: number): Promise<View | null> =>
    get<View>(`${ofApp(app, "/view")}?source=authorize&step=2&since=${Math.floor(since)}`).catch(() => null);
  changed(id, { before: refusedRate(await look(asked - BEFORE), asked) });
  let effect: Effect | undefined;
  while ((effect = effects.find((one) => one.id === id)) && now() - asked < WATCHED_FOR) {
    const view = await look(now() - NEWEST);
    const took = now() - asked;
    if (view?.gate) {
      const [lowest, highest] = view.gate.bundle_versions;
      if (highest >= bundle && effect.first === null) changed(id, { first: took });
      // Lines of the gate say of each bucket which bundles were used in it: no gate of this window had an older one.
      if (lowest >= bundle && effect.held === null) {
        const bucket = firstCounted(view);
        changed(id, { held: bucket === null ? took : Math.min(took, Math.max(0, bucket + view.step - asked)) });
        announce(`${title}: holds at every gate seen.`);
      }
      changed(id, { refused: refusedRate(view, now()) });
    }
    if (effect.held !== null && took > effect.held + WATCHED_ON) return;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** The beginning of the first bucket in which the gate decided anything. */
function firstCounted(view: View): number | null {
  const index = view.at.findIndex((_, place) => Object.values(view.series.authorize ?? {}).some((counts) => (counts[place] ?? 0) > 0));
  return view.at[index] ?? null;
}

function refusedRate(view: View | null, until: number): number | null {
  const counts = view?.series.authorize?.refused;
  if (!view || !counts) return null;
  const known = counts.filter((value, index) => value !== null && view.at[index]! + view.step <= until) as number[];
  return known.length ? known.reduce((sum, value) => sum + value, 0) / (known.length * view.step) : null;
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
        <li key={effect.id} data-first={effect.first ?? undefined} data-held={effect.held ?? undefined}>
          <b>{effect.title}.</b> <span>{state(effect)}</span>
          <button type="button" class="quiet" aria-label={`Do not show "${effect.title}" any longer`}
            onClick={() => { effects = effects.filter((one) => one.id !== effect.id); redraw((count) => count + 1); }}>×</button>
        </li>
      ))}
    </ul>
  );
}

function state(effect: Effect): string {
  if (effect.note) return effect.note;
  if (effect.bundle === null) return "Stored; it holds for each key as it renews, within minutes.";
  const after = (value: number): string => `${value.toFixed(1)} s after you confirmed`;
  const refused = effect.before === null || effect.refused === null ? "" : ` Refused at the gate: ${short(effect.before)} a second before, ${short(effect.refused)} now.`;
  if (effect.held !== null) {
    const first = effect.first !== null && effect.held - effect.first > 1 ? `, the first of them ${effect.first.toFixed(1)} s` : "";
    return `Holds at every gate seen, ${after(effect.held)}${first} (trust bundle ${effect.bundle}).${refused}`;
  }
  if (effect.first !== null) return `The first gate had trust bundle ${effect.bundle} ${after(effect.first)}; waiting for the others.${refused}`;
  return `Published in trust bundle ${effect.bundle}; no gate has shown it yet.`;
}
