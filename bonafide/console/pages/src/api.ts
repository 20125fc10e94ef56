// Calls of the console's own server, and polling that pauses, backs off and says so.
import { useEffect, useRef, useState } from "preact/hooks";
import type { LintMessage, Session } from "./contract.ts";
import { named } from "./format.ts";
import { pageKey } from "./kept.ts";

/** Why a call did not work, in words for the operator. */
export class Problem extends Error {
  override name = "Problem";
  type: string;
  status: number;
  title: string;
  detail: string;
  messages: LintMessage[];

  constructor(type: string, status: number, title: string, detail: string, messages: LintMessage[] = []) {
    super(title);
    this.type = type;
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.messages = messages;
  }
}

const WORDS: Record<string, [title: string, whatToDo: string]> = {
  "console-no-credentials": [
    "This laptop has no valid AWS credentials.",
    "Sign in (for example with aws sso login). The page goes on by itself.",
  ],
  "console-stack-gone": ["The stack is not there.", "It may have been deleted or renamed, or the local stack was stopped."],
  "console-clock-wrong": [
    "This laptop's clock is wrong, so AWS refuses its signatures.",
    "Set the clock by a time server. The page goes on by itself.",
  ],
  "console-unreachable": ["The Admin API cannot be reached.", "Look at the network, the VPN and the region's status."],
  "access-denied": ["IAM does not allow this to you.", "docs/admin-access.md has the roles for reading and for changing."],
  "try-later": ["Something behind the Admin API did not answer.", "Look whether a change stands before you repeat it."],
  "page-only": ["The console's own server did not answer.", "Is the command bonafide console still running?"],
  "console-no-session": ["This page's session is over.", "Open the address again that bonafide console printed when it started."],
  "console-busy": ["Two replays are running already.", "Cancel one, or wait."],
  "console-cannot-draft": ["No rule can be drafted from this.", ""],
  throttled: ["The Admin API is throttling these calls.", "The page asks less often until it answers again."],
};

let offset = 0;

/** The server's time in Unix seconds: windows must not depend on a browser's clock. */
export function now(): number {
  return Date.now() / 1000 + offset;
}

function admitted(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set("X-Bonafide-Console", pageKey());
  return fetch(path, { ...init, headers, cache: "no-store", redirect: "error" }).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem("page-only", 0, ...WORDS["page-only"]!);
  });
}

async function problemOf(response: Response): Promise<Problem> {
  const said: unknown = await response.json().catch(() => null);
  const told = typeof said === "object" && said !== null ? (said as Record<string, unknown>) : {};
  const text = (name: string): string => (typeof told[name] === "string" ? (told[name] as string) : "");
  let slug = text("type").split("/").pop() ?? "";
  if (!slug && response.status === 429) slug = "throttled";
  if (!slug && response.status === 401) slug = "console-no-session";
  const [title, whatToDo] = named(WORDS, slug) ?? [text("title") || `The answer was ${response.status}.`, ""];
  // The console's own sentences say already what to do.
  const detail = [text("detail"), slug.startsWith("console-") && text("detail") ? "" : whatToDo].filter(Boolean).join(" ");
  return new Problem(slug, response.status, title, detail, Array.isArray(told.messages) ? (told.messages as LintMessage[]) : []);
}

/** Raises Problem. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await admitted(path, signal ? { signal } : {});
  if (!response.ok) throw await problemOf(response);
  return (await response.json()) as T;
}

/** Raises Problem. */
export async function post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const headers = { "Content-Type": "application/json" };
  const init: RequestInit = { method: "POST", headers, body: JSON.stringify(body) };
  const response = await admitted(path, signal ? { ...init, signal } : init);
  if (!response.ok) throw await problemOf(response);
  return (await response.json()) as T;
}

export function admin(path: string): string {
  return `/api/admin${path}`;
}

export function ofApp(app: string, path: string): string {
  return admin(`/apps/${encodeURIComponent(app)}${path}`);
}

export async function session(): Promise<Session> {
  const before = Date.now() / 1000;
  const told = await get<Session>("/api/session");
  offset = told.now - (before + Date.now() / 1000) / 2;
  return told;
}

export interface Polled<T> {
  data: T | null;
  problem: Problem | null;
  /** When the newest answer came, in server time. */
  at: number;
  /** Seconds until the next try after a failure; 0 otherwise. */
  pause: number;
}

const LONGEST_PAUSE = 30;

/** After so many failures in a row: 2, 4, 8, 16, then 30 seconds, or the usual pause where that is longer. */
export function pauseAfter(failures: number, every: number): number {
  return failures ? Math.max(every, Math.min(LONGEST_PAUSE, 2 ** failures)) : every;
}

/** What a path answers, asked every so many seconds (0: once) while the page is visible. `key` says what the answer is about:
 * with another key, the old answer is gone. `path` is asked anew each time, as windows move. */
export function usePolled<T>(key: string | null, path: () => string, every: number): Polled<T> {
  const [state, setState] = useState<Polled<T> & { key: string | null }>({ key, data: null, problem: null, at: 0, pause: 0 });
  const asking = useRef(path);
  asking.current = path;
  useEffect(() => {
    if (key === null) return;
    const stop = new AbortController();
    let timer = 0;
    let etag = "";
    let failures = 0;
    let running = false;
    const again = (): void => {
      clearTimeout(timer);
      if (!document.hidden && (every > 0 || failures > 0)) timer = window.setTimeout(ask, pauseAfter(failures, every) * 1000);
    };
    const ask = async (): Promise<void> => {
      if (running || stop.signal.aborted) return;
      running = true;
      try {
        const headers: Record<string, string> = etag ? { "If-None-Match": etag } : {};
        const response = await admitted(asking.current(), { headers, signal: stop.signal });
        if (response.status === 304) {
          setState((old) => ({ ...old, problem: null, at: now(), pause: 0 }));
        } else if (response.ok) {
          const data = (await response.json()) as T;
          etag = response.headers.get("ETag") ?? "";
          if (!stop.signal.aborted) setState({ key, data, problem: null, at: now(), pause: 0 });
        } else throw await problemOf(response);
        failures = 0;
      } catch (error) {
        if (stop.signal.aborted) return;
        failures += 1;
        const problem = error instanceof Problem ? error : new Problem("answer", 0, "The answer could not be read.", "");
        const pause = pauseAfter(failures, every);
        setState((old) => ({ ...(old.key === key ? old : { data: null, at: 0 }), key, problem, pause }));
      } finally {
        running = false;
        if (!stop.signal.aborted) again();
      }
    };
    const shown = (): void => {
      if (document.hidden) clearTimeout(timer);
      else void ask();
    };
    document.addEventListener("visibilitychange", shown);
    void ask();
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", shown);
    };
  }, [key, every]);
  return state.key === key ? state : { data: null, problem: null, at: 0, pause: 0 };
}
