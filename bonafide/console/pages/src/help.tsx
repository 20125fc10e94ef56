// The keys, and what the words on the pages mean.
import { useEffect, useRef, useState } from "preact/hooks";
import { PAGES, type Page } from "./address.ts";
import { prefer, preference } from "./app.ts";

export const SHORTCUT_PAGES: Record<string, Page> = Object.fromEntries(PAGES.map((page, index) => [String(index + 1), page]));

export function shortcutsAreOn(): boolean {
  return preference("shortcuts") !== "off";
}

const KEYS: [keys: string, does: string][] = [
  [`1 to ${PAGES.length}`, "the pages, in the order of the list"],
  ["l", "live, or fixed at this moment"],
  ["t", "theme: as the system, dark, light"],
  ["z", "times in UTC or local"],
  ["?", "this list"],
  ["Tab, Enter", "everything else: each cell that narrows is a link"],
];

export function Help({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [on, setOn] = useState(shortcutsAreOn);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="help-title">
      <h2 id="help-title">Keys</h2>
      <dl class="facts">
        {KEYS.map(([keys, does]) => <><dt><kbd>{keys}</kbd></dt><dd>{does}</dd></>)}
      </dl>
      <label class="tick">
        <input type="checkbox" checked={on} onChange={(event) => {
          prefer("shortcuts", event.currentTarget.checked ? "on" : "off");
          setOn(event.currentTarget.checked);
        }} />
        Single keys work
      </label>
      <p class="hint">
        Each view has an address: copy it from the browser's address line and another operator with a console of the same stack sees the same.
        What these pages do, the command <code>bonafide</code> does through the same Admin API.
      </p>
      <div class="buttons"><button type="button" class="primary" autofocus onClick={() => dialog.current?.close()}>Close</button></div>
    </dialog>
  );
}
