// What every page shares: the address, the session, preferences, and one polite voice for screen readers.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Address } from "./address.ts";
import type { Session } from "./contract.ts";
import type { Zone } from "./format.ts";

export type Theme = "auto" | "light" | "dark";

export interface App {
  address: Address;
  go: (to: Address, replace?: boolean) => void;
  session: Session;
  zone: Zone;
  theme: string;
}

export const AppContext = createContext<App | null>(null);

export function useApp(): App {
  return useContext(AppContext)!;
}

export { prefer, preference } from "./kept.ts";

/** Say something once to those who do not see the page. */
export function announce(text: string): void {
  const place = document.getElementById("announcements");
  if (place && place.textContent !== text) place.textContent = text;
}
