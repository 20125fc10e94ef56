// The frame around every page: which app, which window, where to go; addresses and shortcuts.
import { Component, type ComponentChildren, type ComponentType, render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Address, type Page, readAddress, toPage, writeAddress } from "./address.ts";
import { Problem, now, session as askSession } from "./api.ts";
import { AppContext, type Theme, prefer, preference } from "./app.ts";
import type { Session } from "./contract.ts";
import { Effects } from "./effects.tsx";
import { type Zone, clock, isUtcHere, named, person, seconds, zoneName } from "./format.ts";
import { Help, SHORTCUT_PAGES, shortcutsAreOn } from "./help.tsx";
import { Causes } from "./pages/causes.tsx";
import { Funnel } from "./pages/funnel.tsx";
import { Incidents, OpenIncidents } from "./pages/incidents.tsx";
import { Keys } from "./pages/keys.tsx";
import { Now } from "./pages/now.tsx";
import { Policies } from "./pages/policies.tsx";
import { Timeline } from "./pages/timeline.tsx";
import { Go, ProblemNote } from "./parts.tsx";

const VIEWS: Record<Page, [title: string, page: ComponentType]> = {
  now: ["Now", Now],
  causes: ["Causes", Causes],
  funnel: ["Funnel", Funnel],
  map: ["Map", MapPage],
  timeline: ["Timeline", Timeline],
  keys: ["Keys and codes", Keys],
  policies: ["Policies", Policies],
  incidents: ["Incidents", Incidents],
};

/** The countries are as large as all the rest, so they are loaded for their page alone. */
function MapPage() {
  const [Page, setPage] = useState<ComponentType | null>(null);
  useEffect(() => void import("./pages/map.tsx").then(({ WorldMap }) => setPage(() => WorldMap)), []);
  return Page ? <Page /> : <p class="empty" aria-busy="true">Unfolding the map…</p>;
}

function Root() {
  const [address, setAddress] = useState(() => readAddress(location.pathname, location.search));
  const [session, setSession] = useState<Session | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [theme, setTheme] = useState<Theme>(() => (preference("theme") as Theme | null) ?? "auto");
  const [dark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  const [zone, setZone] = useState<Zone>(() => (preference("zone") === "local" ? "local" : "utc"));
  const [help, setHelp] = useState(false);

  const go = (to: Address, replace = false): void => {
    const moved = to.page !== address.page;
    history[replace ? "replaceState" : "pushState"](null, "", writeAddress(to));
    setAddress(to);
    if (moved) requestAnimationFrame(() => document.querySelector<HTMLElement>("h1")?.focus());
  };
  useEffect(() => {
    const back = (): void => setAddress(readAddress(location.pathname, location.search));
    addEventListener("popstate", back);
    const query = matchMedia("(prefers-color-scheme: dark)");
    const scheme = (): void => setDark(query.matches);
    query.addEventListener("change", scheme);
    return () => {
      removeEventListener("popstate", back);
      query.removeEventListener("change", scheme);
    };
  }, []);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    prefer("theme", theme);
    prefer("zone", zone);
  }, [theme, zone]);
  useEffect(() => {
    let timer = 0;
    const ask = (): void => {
      askSession().then(
        (told) => {
          setSession(told);
          setProblem(null);
          timer = window.setTimeout(ask, 60_000);
        },
        (error: unknown) => {
          setProblem(error instanceof Problem ? error : new Problem("", 0, "The session could not be read.", ""));
          timer = window.setTimeout(ask, 5_000);
        },
      );
    };
    ask();
    return () => clearTimeout(timer);
  }, []);
  useEffect(() => {
    const first = session?.apps[0];
    if (first && !address.app) go({ ...address, app: first }, true);
  }, [session, address.app]);
  useEffect(() => document.querySelector(".pages [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [session, address.page]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      const at = event.target as HTMLElement;
      if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName)) return;
      if (!shortcutsAreOn() || document.querySelector("dialog[open]")) return;
      const page = named(SHORTCUT_PAGES, event.key);
      if (page) go(toPage(address, page));
      else if (event.key === "?") setHelp(true);
      else if (event.key === "l") go({ ...address, until: address.until === null ? Math.floor(now()) : null });
      else if (event.key === "t") setTheme(NEXT_THEME[theme]);
      else if (event.key === "z") setZone(zone === "utc" ? "local" : "utc");
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });

  const [, View] = VIEWS[address.page];
  if (!session) {
    return (
      <main id="content" class="alone">
        <h1>Bonafide console</h1>
        {problem ? <ProblemNote problem={problem} pause={5} /> : <p class="empty" aria-busy="true">Asking the console's server…</p>}
      </main>
    );
  }
  const themed = theme === "auto" ? (dark ? "dark" : "light") : theme;
  return (
    <AppContext.Provider value={{ address, go, session, zone, theme: themed }}>
      <a class="skip" href="#content" onClick={skip}>Skip to the content</a>
      <header class="top">
        <Go to={toPage(address, "now")} class="brand" label="Bonafide, to the page Now">
          <img src="/icon.svg" alt="" width="22" height="22" /> Bonafide
        </Go>
        <span class="stack">{session.stack} <small>{session.local ? "on this laptop" : session.region}</small></span>
        <label class="choose">
          <span>App</span>
          <select value={address.app} onChange={(event) => go({ ...address, app: event.currentTarget.value, filters: {}, more: {} })}>
            {[...new Set([...session.apps, ...(address.app ? [address.app] : [])])].map((app) => <option key={app}>{app}</option>)}
          </select>
        </label>
        <span class="space" />
        <Clock zone={zone} onSwitch={() => setZone(zone === "utc" ? "local" : "utc")} />
        <button type="button" class="quiet" onClick={() => setTheme(NEXT_THEME[theme])}>
          Theme: {theme}
        </button>
        <button type="button" class="quiet ask" onClick={() => setHelp(true)}>?<span class="unseen"> Keys and help</span></button>
      </header>
      <nav class="pages" aria-label="Pages">
        {Object.entries(VIEWS).map(([page, [title]]) => (
          <Go key={page} to={toPage(address, page as Page)} current={page === address.page}>{title}{page === "incidents" && <OpenIncidents />}</Go>
        ))}
        <span class="who" title={session.operator}>{person(session.operator)}</span>
      </nav>
      <main id="content" tabIndex={-1}>
        {problem && <ProblemNote problem={problem} pause={5} />}
        {session.clock_offset !== null && Math.abs(session.clock_offset) > 30 && (
          <p class="note">This laptop's clock is {seconds(Math.abs(session.clock_offset))} {session.clock_offset > 0 ? "ahead" : "behind"}: times here are off by that.</p>
        )}
        <Effects />
        {session.apps.length === 0 && !address.app
          ? <p class="empty">No app is registered. <code>bonafide app register</code> makes the first one.</p>
          : <Guard at={writeAddress(address)}><View key={address.page} /></Guard>}
      </main>
      <div id="announcements" class="unseen" role="status" aria-live="polite" />
      {help && <Help onClose={() => setHelp(false)} />}
    </AppContext.Provider>
  );
}

/** An answer that no page expects ends that page in words; the frame stays, and another address is another try. */
class Guard extends Component<{ at: string; children: ComponentChildren }, { failed: string | null }> {
  override state = { failed: null as string | null };

  override componentDidCatch(): void {
    this.setState({ failed: this.props.at });
  }

  render() {
    if (this.state.failed !== this.props.at) return this.props.children;
    return <ProblemNote problem={new Problem("", 0, "This page cannot show what the Admin API answered.", "The console and the stack may be of different releases. The command bonafide shows the same.")} />;
  }
}

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}

const NEXT_THEME: Record<Theme, Theme> = { auto: "dark", dark: "light", light: "auto" };

function Clock({ zone, onSwitch }: { zone: Zone; onSwitch: () => void }) {
  const [time, setTime] = useState(now);
  const timer = useRef(0);
  useEffect(() => {
    timer.current = window.setInterval(() => setTime(now()), 1000);
    return () => clearInterval(timer.current);
  }, []);
  const other: Zone = zone === "utc" ? "local" : "utc";
  return (
    <button type="button" class="quiet clock" onClick={onSwitch}>
      <span class="unseen">Switch between UTC and local time: </span>
      {clock(time, zone)} {zoneName(zone, time)}
      {!isUtcHere(time) && <small> {clock(time, other)} {zoneName(other, time)}</small>}
    </button>
  );
}

const root = document.getElementById("root")!;
root.replaceChildren(); // what is said there until this line runs
render(<Root />, root);
