import assert from "node:assert/strict";
import { test } from "node:test";
import { added, highest, latest, rates, shade, summed, thinned } from "../src/series.ts";

const AT = [100, 102, 104, 106];

test("counts become rates, and what has not arrived yet is unknown, not zero", () => {
  assert.deepEqual(rates([4, 0, 2, null], AT, 2, 200), [2, 0, 1, null]);
});

test("a rise is drawn at once, however little of its bucket has passed; no false dip is", () => {
  assert.equal(rates([0, 0, 0, 6], AT, 2, 106)[3], 3);
  assert.equal(rates([8, 8, 8, 6], AT, 2, 107)[3], null);
});

test("a long bucket that is still filling is read by the part that passed", () => {
  assert.deepEqual(rates([60, 30], [0, 60], 60, 90), [60, 60]);
  assert.deepEqual(rates([60, 3], [0, 60], 60, 63), [60, null]);
});

test("lines of the same buckets are added, and what none knows stays unknown", () => {
  assert.deepEqual(added([[1, null, null], [2, 5, null]]), [3, 5, null]);
  assert.deepEqual(added([]), []);
});

test("now is the last ten seconds, or the last whole bucket", () => {
  assert.equal(latest([9, 1, 2, 3, 4, 5, null], 2), 3);
  assert.equal(latest([9, 4, null], 60), 4);
  assert.equal(latest([null], 2), null);
});

test("a table has few rows, averaged, and keeps what is unknown apart", () => {
  assert.deepEqual(thinned(AT, [[1, 3, 5, null], [null, null, 2, 2]], 2), [
    { at: 100, values: [2, null] }, { at: 104, values: [5, 2] },
  ]);
});

test("sums by a fact, the largest first", () => {
  const rows = [{ country: "DE", count: 2 }, { country: "FR", count: 3 }, { country: "DE", count: 4 }];
  assert.deepEqual(summed(rows, (row) => row.country, (row) => row.count), [["DE", 6], ["FR", 3]]);
});

test("the highest value is the first of its size", () => {
  assert.deepEqual(highest([null, 1, 5, 5]), { value: 5, index: 2 });
  assert.equal(highest([null]), null);
});

test("a shade is by the root, so that little is seen beside much", () => {
  assert.deepEqual([0, 1, 10, 25, 64, 99, 100].map((value) => shade(value, 100)), [0, 0, 1, 2, 4, 4, 4]);
  assert.equal(shade(0, 0), 0);
});
