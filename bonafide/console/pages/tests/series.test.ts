import assert from "node:assert/strict";
import { test } from "node:test";
import { highest, knownUntil, latest, rates, summed, thinned } from "../src/series.ts";

const AT = [100, 102, 104, 106];

test("counts become rates, and what has not arrived yet is unknown, not zero", () => {
  assert.deepEqual(rates([4, 0, 2, 0], AT, 2, 106), [2, 0, 1, null]);
});

test("a rise is drawn at once, however little of its bucket has passed; no false dip is", () => {
  assert.equal(rates([0, 0, 0, 6], AT, 2, 106)[3], 3);
  assert.equal(rates([8, 8, 8, 6], AT, 2, 107)[3], null);
});

test("a long bucket that is still filling is read by the part that passed", () => {
  assert.deepEqual(rates([60, 30], [0, 60], 60, 90), [60, 60]);
  assert.deepEqual(rates([60, 3], [0, 60], 60, 63), [60, null]);
});

test("quiet buckets are zero once nothing can be on its way any more", () => {
  assert.equal(knownUntil({ until: 1000, data_until: 500 }), 994);
  assert.equal(knownUntil({ until: 1000, data_until: 999 }), 999);
  assert.equal(knownUntil({ until: 1000, data_until: null }), 994);
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
