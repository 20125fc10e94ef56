// All that a browser keeps: theme, zone, shortcuts, and the key of this page's session.

export function preference(name: "theme" | "zone" | "shortcuts"): string | null {
  return kept(name);
}

export function prefer(name: "theme" | "zone" | "shortcuts", value: string): void {
  keep(name, value);
}

/** What shows the server that a call is from this page: handed over behind the address, once, and kept for this origin alone.
 * A cookie is sent to every port of this machine. */
export function pageKey(): string {
  return kept("key") ?? own;
}

let own = "none";
// At once: before anything else may change the address.
const given = /^#key=([\w-]+)$/.exec(globalThis.location?.hash ?? "")?.[1];
if (given) {
  history.replaceState(null, "", location.pathname + location.search);
  own = given;
  keep("key", given);
}

function kept(name: string): string | null {
  try {
    return localStorage.getItem(`bonafide-${name}`);
  } catch {
    return null;
  }
}

function keep(name: string, value: string): void {
  try {
    localStorage.setItem(`bonafide-${name}`, value);
  } catch {
    // A browser that keeps nothing asks again next time.
  }
}
