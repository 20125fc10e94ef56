import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const sources = readdirSync("src", { recursive: true, encoding: "utf8" })
  .filter((name) => /\.(tsx?|css|html|svg)$/.test(name))
  .map((name) => [name, readFileSync(`src/${name}`, "utf8")] as const);

/** What may stand nowhere, and the file where it may all the same. */
const FORBIDDEN: [what: RegExp, but?: string][] = [
  [/innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|srcdoc/],
  [/\beval\b|new Function|setTimeout\(\s*["'`]/],
  [/\sstyle=["'`]|setAttribute\(\s*["'`](style|on)/],
  [/\bhttps?:\/\/(?!www\.w3\.org\/2000\/svg)|url\(|@import "(?!uplot)/],
  [/localStorage|sessionStorage|indexedDB|document\.cookie/, "kept.ts"],
  [/\bfetch\(|XMLHttpRequest|WebSocket|EventSource|sendBeacon/, "api.ts"],
];

test("markup, code, styles and addresses never come from a text", () => {
  assert.ok(sources.length > 20);
  for (const [name, text] of sources) {
    for (const [what, but] of FORBIDDEN) if (name !== but) assert.doesNotMatch(text, what, name);
  }
});

test("what may stand in one file stands there, so that the list says something", () => {
  for (const [what, but] of FORBIDDEN) if (but) assert.match(sources.find(([name]) => name === but)![1], what, but);
});
