// The state of every view is its address: page, app, window, filters. Pure functions; main.tsx listens and navigates.

export const PAGES = ["now", "causes", "funnel", "map", "timeline", "keys", "policies", "incidents"] as const;
export type Page = (typeof PAGES)[number];

export const FILTERS = ["source", "outcome", "why", "platform", "build", "os", "model", "country", "route"] as const;
export type Filter = (typeof FILTERS)[number];

export const WINDOWS = { "5m": 300, "15m": 900, "1h": 3600, "6h": 21_600, "24h": 86_400, "7d": 604_800 } as const;
export type Window = keyof typeof WINDOWS;
export const DEFAULT_WINDOW: Window = "15m";

export interface Address {
  page: Page;
  app: string;
  /** The length of the window: `until` is now, or the moment that is fixed. */
  window: Window;
  /** Unix seconds; null while the view is live. */
  until: number | null;
  filters: Partial<Record<Filter, string>>;
  /** What only one page knows: `by`, `look`, `version` and so on. */
  more: Record<string, string>;
}

export function readAddress(path: string, query: string): Address {
  const page = PAGES.find((name) => path === `/${name}`) ?? "now";
  const asked = new URLSearchParams(query);
  const address: Address = { page, app: "", window: DEFAULT_WINDOW, until: null, filters: {}, more: {} };
  for (const [name, value] of asked) {
    if (name === "app") address.app = value;
    else if (name === "since") address.window = Object.hasOwn(WINDOWS, value) ? (value as Window) : DEFAULT_WINDOW;
    else if (name === "until") address.until = /^\d{9,11}$/.test(value) ? Number(value) : null;
    else if (name === "outcome" && value === "all") address.more.outcome = value;
    else if (isFilter(name)) address.filters[name] = value;
    else if (name !== "key") address.more[name] = value;
  }
  return address;
}

export function writeAddress(address: Address): string {
  const query = new URLSearchParams();
  if (address.app) query.set("app", address.app);
  query.set("since", address.window);
  if (address.until !== null) query.set("until", String(address.until));
  for (const name of FILTERS) {
    const value = address.filters[name];
    if (value !== undefined) query.set(name, value);
  }
  for (const [name, value] of Object.entries(address.more)) query.set(name, value);
  return `/${address.page}?${query}`;
}

/** The same window and filters on another page; what only the other page knew is left behind. */
export function toPage(address: Address, page: Page, more: Record<string, string> = {}): Address {
  return { ...address, page, more };
}

export function narrowed(address: Address, filter: Filter, value: string | null): Address {
  const filters = { ...address.filters };
  if (value === null) delete filters[filter];
  else filters[filter] = value;
  return { ...address, filters };
}

/** The query of the Admin API for an address, its beginning on a whole step so that nothing changes without need. */
export function viewQuery(address: Address, now: number, extra: Record<string, string> = {}): string {
  const length = WINDOWS[address.window];
  const grain = length <= 900 ? 2 : 60;
  const until = address.until ?? now;
  const query = new URLSearchParams({ since: String(Math.floor((until - length) / grain) * grain) });
  if (address.until !== null) query.set("until", String(address.until));
  for (const [name, value] of Object.entries(address.filters)) query.set(name, value);
  for (const [name, value] of Object.entries(extra)) query.set(name, value);
  return query.toString();
}

export function isFilter(name: string): name is Filter {
  return (FILTERS as readonly string[]).includes(name);
}
