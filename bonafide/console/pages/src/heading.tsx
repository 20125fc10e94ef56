// A page's title, how fresh what it shows is, and the window where the page has one.
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import type { Polled } from "./api.ts";
import { useApp } from "./app.ts";
import { seconds } from "./format.ts";
import { Toolbar } from "./toolbar.tsx";

export function Heading({ title, polled, delay, children }: {
  title: string; polled?: Polled<unknown>; delay?: number | null; children?: ComponentChildren;
}) {
  const { address } = useApp();
  useEffect(() => {
    document.title = `${title}${address.app ? ` · ${address.app}` : ""} · Bonafide`;
  }, [title, address.app]);
  const live = address.until === null;
  return (
    <header class="heading">
      <h1 tabIndex={-1}>{title}</h1>
      {polled && (
        <span class={`fresh ${polled.problem ? "bad" : live ? "good" : ""}`}>
          <i aria-hidden="true" />
          {polled.problem ? "Not answering" : polled.data === null ? "Asking" : live ? "Live" : "Fixed"}
          {live && !polled.problem && delay !== null && delay !== undefined && <>, {seconds(delay)} behind</>}
        </span>
      )}
      {polled ? <Toolbar /> : children}
    </header>
  );
}
