// Numbers, times and names for people. Pure: a time, a zone and a locale come in as arguments or are fixed.

const INTEGER = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });

export function count(value: number): string {
  return INTEGER.format(value);
}

/** Three significant digits with a prefix, for axes and tiles: 1 234 567 is "1.23 M". */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size >= 999_500) return `${digits(value / 1e6)} M`;
  if (size >= 10_000) return `${digits(value / 1e3)} k`;
  return size >= 100 || Number.isInteger(value) ? INTEGER.format(value) : digits(value);
}

function digits(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/** Never 0 % for something, never 100 % for less than all. */
export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return "–";
  if (share > 0 && share < 0.0001) return "<0.01 %";
  if (share < 1 && share > 0.9999) return ">99.99 %";
  return `${(share * 100).toFixed(share < 0.1 && share > 0 ? 2 : 1)} %`;
}

export function estimate(value: { estimate: number; error: number } | null | undefined): string {
  if (!value) return "–";
  const within = Math.round(value.estimate * value.error);
  return within ? `${count(Math.round(value.estimate))} ± ${count(within)}` : count(Math.round(value.estimate));
}

export function seconds(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 120) return `${Math.round(value)} s`;
  if (value < 7200) return `${Math.round(value / 60)} min`;
  if (value < 172_800) return `${Math.round(value / 3600)} h`;
  return `${Math.round(value / 86_400)} d`;
}

export type Zone = "utc" | "local";

const ZONES = { utc: "UTC", local: undefined } as const;
const made = new Map<string, Intl.DateTimeFormat>();

function formatter(zone: Zone, name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${zone} ${name}`;
  let found = made.get(key);
  if (!found) made.set(key, (found = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: ZONES[zone] })));
  return found;
}

export function clock(at: number, zone: Zone): string {
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
  return formatter(zone, "clock", options).format(at * 1000);
}

export function moment(at: number, zone: Zone): string {
  return `${formatter(zone, "day", { day: "numeric", month: "short", year: "numeric" }).format(at * 1000)}, ${clock(at, zone)}`;
}

/** The local zone's own name, as in "CET"; "UTC" where it is that. */
export function zoneName(zone: Zone, at: number): string {
  if (zone === "utc") return "UTC";
  const parts = formatter(zone, "name", { timeZoneName: "short" }).formatToParts(at * 1000);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "local";
}

export function isUtcHere(at: number): boolean {
  return new Date(at * 1000).getTimezoneOffset() === 0;
}

/** How the rate of a bucket of `step` seconds is said: what to multiply its count by, and the unit. */
export function rate(step: number): { factor: number; unit: string } {
  if (step < 60) return { factor: 1 / step, unit: "per second" };
  if (step < 3600) return { factor: 60 / step, unit: "per minute" };
  return { factor: 3600 / step, unit: "per hour" };
}

/** A change as people say it: "+812, ×4.1" or "−62, −4.76 %"; from none, as it is. */
export function change(now: number, before: number): string {
  if (before === 0) return now ? `+${count(now)}` : "none";
  const by = now - before;
  const sign = by > 0 ? "+" : by < 0 ? "−" : "±";
  const ratio = now / before;
  const times = ratio >= 2 ? `, ×${digits(ratio)}` : by ? `, ${sign}${percent(Math.abs(by) / before)}` : "";
  return `${sign}${count(Math.abs(by))}${times}`;
}

/** A cell of a CSV file. A text that a spreadsheet would take for a formula gets an apostrophe before it. */
export function csvCell(value: string | number): string {
  const text = typeof value === "number" ? String(value) : /^[\s]*[=+\-@\t\r|%]/.test(value) ? `'${value}` : value;
  return /[",\n\r;]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csv(rows: readonly (readonly (string | number)[])[]): string {
  return rows.map((row) => row.map(csvCell).join(",")).join("\r\n") + "\r\n";
}

const REGIONS = new Intl.DisplayNames("en", { type: "region", fallback: "none" });

/** The English name of a two-letter country, the code itself where it names none. */
export function country(code: string): string {
  try {
    return REGIONS.of(code) ?? code;
  } catch {
    return code;
  }
}

/** The two letters of a country's number in ISO 3166-1, which is how the map names it. */
export function lettersOf(number: string): string | undefined {
  try {
    const region = new Intl.Locale(`und-${number.padStart(3, "0")}`).region;
    return region && /^[A-Z]{2}$/.test(region) && region !== "ZZ" ? region : undefined;
  } catch {
    return undefined;
  }
}

export const SOURCES: Record<string, string> = {
  authorize: "Requests at the gate",
  enrol: "Enrolments",
  renew: "Renewals",
  signal: "Signals",
  secret: "Requests for secrets",
  challenge: "Challenges",
  beacon: "Failures reported by apps",
};

export function sourceName(source: string): string {
  return named(SOURCES, source) ?? source;
}

/** What a table of names has under a name that came from elsewhere, which may also be "constructor". */
export function named<T>(names: Record<string, T>, name: string): T | undefined {
  return Object.hasOwn(names, name) ? names[name] : undefined;
}

/** Who it was, without what all ARNs of an account begin with. */
export function person(arn: string): string {
  return arn.replace(/^arn:[a-z-]+:(?:iam|sts)::\d+:/, "");
}

/** A span as addresses and replays name it, "15m", in words. */
export function span(name: string): string {
  return name.replace(/^(\d+)m$/, "$1 min").replace(/^(\d+)([hd])$/, "$1 $2");
}

/** A text that a device chose, with what is invisible in it made visible: controls, zero widths, and the marks that turn
 * the reading direction and with it the text beside them. */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (mark) => `\\u{${mark.codePointAt(0)!.toString(16)}}`);
}

/** A support code is eight letters and digits as people pass them on; everything else is a key. */
export function asCode(text: string): string | null {
  const code = text.toUpperCase().replace(/[- ]/g, "").replace(/[IL]/g, "1").replace(/O/g, "0");
  return /^[0-9A-HJKMNP-TV-Z]{8}$/.test(code) ? code : null;
}

/** Nested members as lines "a.b: value". */
export function flat(value: unknown, above = ""): [string, string][] {
  if (Array.isArray(value)) return [[above, value.map((one) => (typeof one === "object" ? JSON.stringify(one) : String(one))).join(", ") || "none"]];
  if (typeof value !== "object" || value === null) return value === "" || value === null ? [] : [[above, String(value)]];
  return Object.entries(value).flatMap(([name, inner]) => flat(inner, above ? `${above}.${name}` : name));
}
