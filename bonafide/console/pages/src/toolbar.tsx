// The window that a page shows, live or fixed, and what it is narrowed to.
import { type Address, FILTERS, WINDOWS, type Window, narrowed } from "./address.ts";
import { now } from "./api.ts";
import { announce, useApp } from "./app.ts";
import { clock, span, zoneName } from "./format.ts";
import { Go, factText, filterName } from "./parts.tsx";

export function Toolbar() {
  const { address, go, zone } = useApp();
  const live = address.until === null;
  const shifted = (by: number): Address => {
    const until = (address.until ?? Math.floor(now())) + by * (WINDOWS[address.window] / 2);
    return { ...address, until: until >= now() ? null : Math.floor(until) };
  };
  return (
    <div class="toolbar" role="toolbar" aria-label="Window">
      <span class="segments" role="group" aria-label="Length of the window">
        {(Object.keys(WINDOWS) as Window[]).map((name) => (
          <button type="button" key={name} aria-pressed={name === address.window} onClick={() => go({ ...address, window: name })}>
            {span(name)}
          </button>
        ))}
      </span>
      <span class="segments" role="group" aria-label="Live or fixed">
        <button type="button" onClick={() => go(shifted(-1))} aria-label="Half a window earlier">‹</button>
        <button type="button" aria-pressed={live} onClick={() => { go({ ...address, until: live ? Math.floor(now()) : null }); announce(live ? "Fixed" : "Live"); }}>
          {live ? "Live" : `Until ${clock(address.until!, zone)} ${zoneName(zone, address.until!)}`}
        </button>
        <button type="button" onClick={() => go(shifted(1))} disabled={live} aria-label="Half a window later">›</button>
      </span>
      <Chips />
    </div>
  );
}

/** What the view is narrowed to; each can be taken away. */
function Chips() {
  const { address } = useApp();
  const chosen = FILTERS.filter((filter) => address.filters[filter] !== undefined);
  if (!chosen.length) return null;
  return (
    <ul class="chips" aria-label="Narrowed to">
      {chosen.map((filter) => (
        <li key={filter}>
          <Go to={narrowed(address, filter, null)} label={`No longer only ${filterName(filter)} ${factText(filter, address.filters[filter]!)}`}>
            <small>{filterName(filter)}</small> {factText(filter, address.filters[filter]!)} <span aria-hidden="true">×</span>
          </Go>
        </li>
      ))}
      <li><Go to={{ ...address, filters: {} }} class="quiet">Show everything</Go></li>
    </ul>
  );
}
