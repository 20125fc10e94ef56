import assert from "node:assert/strict";
import { test } from "node:test";
import { asCode, change, clock, count, country, csv, estimate, flat, lettersOf, moment, percent, person, plain, rate, seconds, short, sourceName, span } from "../src/format.ts";

test("numbers have as many digits as they are worth", () => {
  assert.equal(count(1234567), "1,234,567");
  assert.deepEqual([0, 7, 0.4321, 99.94, 812, 9999, 12_345, 1_234_567].map(short), ["0", "7", "0.432", "99.9", "812", "9,999", "12.3 k", "1.23 M"]);
});

test("a share is never 0 for something and never all for less", () => {
  assert.deepEqual([0, 0.00001, 0.0312, 0.5, 0.99999, 1, null, undefined, Number.NaN].map(percent),
    ["0.0 %", "<0.01 %", "3.12 %", "50.0 %", ">99.99 %", "100.0 %", "–", "–", "–"]);
});

test("an estimate says how far it may be off, an exact number does not", () => {
  assert.equal(estimate({ estimate: 12_000, error: 0.0325 }), "12,000 ± 390");
  assert.equal(estimate({ estimate: 3, error: 0.0325 }), "3");
  assert.equal(estimate(undefined), "–");
});

test("times are said with their unit and zone", () => {
  assert.deepEqual([0.42, 45, 600, 7200, 172_800, null].map(seconds), ["0.4 s", "45 s", "10 min", "2 h", "2 d", "–"]);
  assert.equal(clock(1764250000, "utc"), "13:26:40");
  assert.equal(moment(1764250000, "utc"), "27 Nov 2025, 13:26:40");
});

test("a rate has the unit of its step", () => {
  assert.deepEqual([2, 60, 3600].map(rate), [
    { factor: 0.5, unit: "per second" }, { factor: 1, unit: "per minute" }, { factor: 1, unit: "per hour" },
  ]);
});

test("a change is said by how many and by how much", () => {
  assert.equal(change(812, 0), "+812");
  assert.equal(change(400, 100), "+300, ×4");
  assert.equal(change(80, 100), "−20, −20.0 %");
  assert.equal(change(5, 5), "±0");
  assert.equal(change(0, 0), "none");
});

test("a spreadsheet takes no text for a formula", () => {
  for (const hostile of ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "|cmd", "%0A=1"]) {
    assert.match(csv([[hostile]]), /^"?'/, JSON.stringify(hostile));
  }
  assert.equal(csv([["plain", -4, 'a "b", c']]), 'plain,-4,"a ""b"", c"\r\n');
});

test("countries have names, and the map's numbers their letters", () => {
  assert.deepEqual(["DE", "QX", "<b>", ""].map(country), ["Germany", "QX", "<b>", ""]);
  assert.deepEqual(["276", "036", "4", "840", "999", "-99", "x"].map(lettersOf), ["DE", "AU", "AF", "US", undefined, undefined, undefined]);
});

test("a name that JavaScript has on every object names nothing", () => {
  assert.deepEqual(["enrol", "constructor", "__proto__", "toString"].map(sourceName), ["Enrolments", "constructor", "__proto__", "toString"]);
});

test("a person is named without what all ARNs of an account begin with", () => {
  assert.equal(person("arn:aws-us-gov:sts::123456789012:assumed-role/operators/ada"), "assumed-role/operators/ada");
  assert.equal(person("policy 7: hooking"), "policy 7: hooking");
});

test("a span is said in words", () => {
  assert.deepEqual(["15m", "1h", "7d", "x"].map(span), ["15 min", "1 h", "7 d", "x"]);
});

test("what is invisible in a device's text is seen, and turns nothing round", () => {
  assert.equal(plain("Pixel\u202e8\u0000\u200b\n<b>"), "Pixel\\u{202e}8\\u{0}\\u{200b}\\u{a}<b>");
  assert.equal(plain("Gerät 8 日本"), "Gerät 8 日本");
});

test("a support code is read as people pass it on, and a key id is none", () => {
  assert.deepEqual(["7K2M9QXA", "7k2m-9qxa", " 7K2M 9QXA ", "7KZM9QXO", "7K2M9QXI"].map(asCode), ["7K2M9QXA", "7K2M9QXA", "7K2M9QXA", "7KZM9QX0", "7K2M9QX1"]);
  assert.deepEqual(["", "7K2M9QX", "7K2M9QXU", "k".repeat(43), "../../x"].map(asCode), [null, null, null, null, null]);
});

test("nested facts become lines, and what is empty is left out", () => {
  const facts = { principal: { model: "P30", play: null, labels: ["A", "B"], none: [] }, n: 0, off: false, deep: [{ a: 1 }] };
  assert.deepEqual(flat(facts), [
    ["principal.model", "P30"], ["principal.labels", "A, B"], ["principal.none", "none"], ["n", "0"], ["off", "false"], ["deep", '{"a":1}'],
  ]);
});
