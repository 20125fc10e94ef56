import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem, get, pauseAfter, post } from "../src/api.ts";

/** Calls `act` with a server that answers once. */
async function answered<T>(response: Response | Error, act: () => Promise<T>): Promise<{ calls: Request[]; outcome: T | Problem }> {
  const calls: Request[] = [];
  const real = globalThis.fetch;
  globalThis.fetch = async (path, init) => {
    calls.push(new Request(`http://127.0.0.1${String(path)}`, init));
    if (response instanceof Error) throw response;
    return response;
  };
  try {
    return { calls, outcome: await act().catch((error: unknown) => (error instanceof Problem ? error : Promise.reject(error))) };
  } finally {
    globalThis.fetch = real;
  }
}

test("while nothing answers, the page asks less and less often, and at least every half minute", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 9, 99].map((failures) => pauseAfter(failures, 2)), [2, 2, 4, 8, 16, 30, 30, 30]);
  assert.equal(pauseAfter(3, 60), 60);
});

test("every call carries the console's header, and a body says that it is JSON", async () => {
  const { calls } = await answered(new Response("{}"), () => post("/api/lint", { app: "demo" }));
  assert.equal(calls[0]!.headers.get("X-Bonafide-Console"), "none");
  assert.equal(calls[0]!.headers.get("Content-Type"), "application/json");
});

const problem = (status: number, body: unknown): Response => new Response(JSON.stringify(body), { status });

test("problems are said in words, with what to do", async () => {
  const cases: [Response | Error, RegExp, RegExp][] = [
    [problem(503, { type: "/problems/console-no-credentials", detail: "The profile's credentials expired." }), /no valid AWS credentials/, /expired\.$/],
    [problem(503, { type: "/problems/console-no-credentials" }), /no valid AWS credentials/, /^Sign in/],
    [problem(403, { type: "/problems/access-denied", detail: "IAM says no." }), /IAM does not allow/, /^IAM says no\. docs/],
    [problem(502, { type: "https://x/problems/console-stack-gone" }), /stack is not there/, /deleted/],
    [problem(503, { type: "/problems/console-clock-wrong" }), /clock is wrong/, /time server/],
    [problem(429, {}), /throttling/, /less often/],
    [problem(401, {}), /session is over/, /printed/],
    [problem(409, { type: "/problems/policy-conflict", title: "Not what you saw.", detail: "grace published 8." }), /Not what you saw/, /grace/],
    [new Response("<html>", { status: 500 }), /answer was 500/, /^$/],
    [problem(500, ["odd"]), /answer was 500/, /^$/],
    [problem(418, { type: "constructor", title: 7 }), /answer was 418/, /^$/],
    [new TypeError("Failed to fetch"), /own server did not answer/, /still running/],
  ];
  for (const [response, title, detail] of cases) {
    const { outcome } = await answered(response, () => get("/api/session"));
    assert.ok(outcome instanceof Problem);
    assert.match(outcome.title, title);
    assert.match(outcome.detail, detail);
  }
});

test("a linter's messages come with the problem", async () => {
  const { outcome } = await answered(problem(422, { type: "/problems/policy-invalid", title: "No.", messages: [{ line: 3, text: "wrong" }] }), () => post("/api/admin/policies/demo", {}));
  assert.deepEqual((outcome as Problem).messages, [{ line: 3, text: "wrong" }]);
});
