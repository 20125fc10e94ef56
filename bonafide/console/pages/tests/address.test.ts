import assert from "node:assert/strict";
import { test } from "node:test";
import { narrowed, readAddress, toPage, viewQuery, writeAddress } from "../src/address.ts";

const FULL = "/causes?app=demo&since=1h&until=1764250000&source=enrol&why=rule%3Aboot-failed&model=Pixel+8%2F%3C%26%3E&by=why%2Cmodel";

test("an address says the whole state and comes back from it", () => {
  const [path, query] = FULL.split("?");
  const address = readAddress(path!, `?${query}`);
  assert.deepEqual(address, {
    page: "causes", app: "demo", window: "1h", until: 1764250000,
    filters: { source: "enrol", why: "rule:boot-failed", model: "Pixel 8/<&>" }, more: { by: "why,model" },
  });
  assert.equal(writeAddress(address), FULL);
});

test("an address that nobody wrote is read as the page Now, live", () => {
  for (const [path, query] of [["/", ""], ["/nothing", "?since=1y&until=soon"], ["/now/", "?until=-1"], ["/__proto__", "?since=constructor"]]) {
    const address = readAddress(path!, query!);
    assert.deepEqual([address.page, address.window, address.until], ["now", "15m", null], path);
  }
});

test("the one-time secret is never part of an address that is written", () => {
  assert.equal(writeAddress(readAddress("/now", "?key=secret&app=demo")), "/now?app=demo&since=15m");
});

test("a filter that is empty is a filter: facts that were not told", () => {
  const address = readAddress("/causes", "?model=");
  assert.equal(address.filters.model, "");
  assert.equal(writeAddress(narrowed(address, "model", null)), "/causes?since=15m");
});

test("another page keeps the window and the filters and leaves its neighbour's state behind", () => {
  const address = readAddress("/causes", "?app=demo&since=6h&why=token-expired&by=why");
  assert.equal(writeAddress(toPage(address, "timeline")), "/timeline?app=demo&since=6h&why=token-expired");
});

test("a live window begins on a whole step, a fixed one has its end", () => {
  const live = readAddress("/now", "?app=demo&since=5m&why=a");
  assert.equal(viewQuery(live, 1000.9), "since=700&why=a");
  assert.equal(viewQuery({ ...live, window: "1h" }, 10_000), "since=6360&why=a");
  assert.equal(viewQuery({ ...live, until: 2000 }, 9999, { by: "why" }), "since=1700&until=2000&why=a&by=why");
});

test("all outcomes are no filter, and stand in the address all the same", () => {
  const address = readAddress("/causes", "?app=demo&outcome=all");
  assert.deepEqual([address.filters, address.more], [{}, { outcome: "all" }]);
  assert.equal(writeAddress(address), "/causes?app=demo&since=15m&outcome=all");
});
