// The pages with made-up answers, to work on their looks: node tests/fake_server.mjs FOLDER [PORT] [SCENE].
// Scenes: outbreak (default), quiet, empty, documented (the answers of tests/view_answers), two-persons, no-credentials, gone,
// clock, throttled. What devices say is hostile on purpose.
import { createServer } from "node:http";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { extname, join, normalize } from "node:path";

const [, , folder, port = "8791", scene = "outbreak"] = process.argv;
const HOSTILE = '<img src=x onerror="document.title=1">';
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const PROBLEMS = {
  "no-credentials": [502, "console-no-credentials", "The credentials of profile prod expired at 02:10 UTC."],
  gone: [502, "console-stack-gone", "There is no stack bonafide-prod in eu-central-1."],
  clock: [502, "console-clock-wrong", "It is 412 s ahead of AWS."],
  throttled: [429, "throttled", ""],
};
const seconds = () => Date.now() / 1000;
const noise = (at, salt) => createHash("sha256").update(`${at} ${salt}`).digest()[0] / 255;
const began = seconds() - 240;
let version = 7, bundle = 41, changedAt = 0;
const versions = new Map();
const POLICY = [
  ...Array.from({ length: 40 }, (_, index) => `// Line ${index + 1} of an introduction that is long, as real policies are.`),
  "// Strict, with one exception for the lab's emulators.",
  "permit (principal, action, resource);",
  "",
  '@id("boot-failed")',
  '@advice("contact-support")',
  "forbid (principal is Android, action, resource)",
  'when { principal.verified_boot_state == "failed" };',
  "",
].join("\n");
for (let number = 0; number <= version; number += 1) {
  versions.set(number, {
    version: number, why: number ? ["First rules", "Old patches warned of", "Lab emulators"][number % 3] : "the built-in default",
    by: number ? "arn:aws:sts::123456789012:assumed-role/operators/ada" : "", at: number ? Math.floor(began - (8 - number) * 7000) : 0,
    effect: number % 2 ? "now" : "next-renewal", rollout: 100, based_on: Math.max(0, number - 1), restores: null, promotes: null, approved_by: "",
    appraisal: POLICY, client: "", app: "demo", digest: "d", has_client: false,
  });
}
const twoPersons = scene === "two-persons";
const head = () => ({ app: "demo", latest: version, stable: twoPersons ? version - 1 : version, previous: version - 2, canary: twoPersons ? { version, rollout: 10 } : null, proposal: twoPersons ? 3 : null, approval: twoPersons ? "two-person" : "off" });

const INCIDENT = {
  id: "key-farm-0123456789abcdef0123", app: "demo", state: "open", detector: "key-farm", title: "One device has 41 keys of 38 installs.", scope: "key",
  since: began + 20, last: seconds(), opened_at: began + 62, ended_at: null, closed: null, counts: { keys: 41, installs: 38, decisions: 97, refused: 12 },
  keys: ["k".repeat(43), "q".repeat(43)], named: { model: `Pixel 8 ${HOSTILE}`, build: "4.2.0", country: "BR" }, confidence: 0.97,
  because: ["41 keys were attested by one certificate that is of one device and app.", "A phone with a work profile and a reinstall each week has 6."],
  remedy: {
    kind: "rule", text: "Refuse keys that this incident names, or lower them to a warning.", command: "bonafide policy replay draft --since 1h --app demo",
    rule: '@id("incident-key-farm")\nforbid (principal, action, resource)\nwhen { context.incidents.contains("key-farm") };\n',
  },
  own_signer_share: 1,
};

function view(query) {
  const until = Number(query.get("until") ?? seconds()), since = Number(query.get("since") ?? until - 900);
  const length = until - since, step = length <= 1000 ? 2 : length <= 50_000 ? 60 : 3600;
  const at = [];
  for (let time = Math.floor(since / step) * step; time < until; time += step) at.push(time);
  const wave = (salt, base) => at.map((time) => Math.round(step * base * (0.8 + 0.4 * noise(time, salt))));
  const outbreak = (base) => at.map((time) => {
    const on = scene === "outbreak" && time > began && !(changedAt && time > changedAt + 4);
    return Math.round(step * base * (on ? 0.7 + 0.6 * noise(time, "out") : 0.02 * noise(time, "few")));
  });
  const empty = scene === "empty";
  const series = empty ? {} : {
    authorize: { accepted: wave("a", 41), refused: outbreak(6), unavailable: at.map((t) => (noise(t, "u") > 0.98 ? 1 : 0)) },
    enrol: { accepted: wave("e", 1.4), refused: outbreak(2.2), unavailable: at.map(() => 0) },
    renew: { accepted: wave("r", 4), refused: outbreak(0.6), unavailable: at.map(() => 0) },
    challenge: { issued: wave("c", 5.1) },
    beacon: { reported: wave("b", 0.3) },
  };
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const totals = Object.fromEntries(Object.entries(series).map(([source, by]) => [source, Object.fromEntries(Object.entries(by).map(([outcome, values]) => [outcome, sum(values)]))]));
  const shares = Object.fromEntries(Object.entries(totals).map(([source, by]) => [source, (by.refused ?? 0) / Math.max(1, sum(Object.values(by)))]));
  return {
    app: "demo", since, until, step, at, series, totals,
    refused_share: { ...shares, before: { authorize: 0.0007, enrol: 0.012, renew: 0.0004 } },
    unique_keys: empty ? {} : { authorize: { accepted: { estimate: 4310, error: 0.0325 }, refused: { estimate: 212, error: 0.0325 } }, enrol: { accepted: { estimate: 1240, error: 0.0325 }, refused: { estimate: 38, error: 0.0325 } } },
    unrecorded: { authorize: scene === "outbreak" ? 17 : 0 },
    gate: empty ? null : { bundle_versions: [bundle, bundle], bundle_age: 3.2, published_version: bundle },
    vendors: [
      { name: "apple", state: "ok", age: null, detail: "nothing to fetch: roots are pinned" },
      { name: "google-status-list", state: "ok", age: 840, detail: "" },
      { name: "play-decode", state: scene === "outbreak" ? "late" : "ok", age: 12, detail: "quota: 9,120 of 10,000 today" },
      { name: "huawei", state: "unknown", age: null, detail: "" },
    ],
    incident: scene === "outbreak" ? { id: INCIDENT.id, title: INCIDENT.title, at: INCIDENT.opened_at, detector: INCIDENT.detector } : null, data_until: at.at(-1), delay: empty ? null : 1.4,
    them_or_us: scene === "outbreak"
      ? { verdict: "them", because: ["Enrolments of one build, 4.2.0, are refused 31 times as often as in the quarter of an hour before.", "Our gates have the newest trust bundle; all vendors answer; nothing was published in this time."] }
      : { verdict: "quiet", because: ["Refusals are as they were in the quarter of an hour before."] },
  };
}

const facts = (query, row) => Object.fromEntries((query.get("by") ?? "why").split(",").map((name) => [name, row[name] ?? ""]));
const ROWS = [
  { source: "enrol", outcome: "refused", why: "build-differs", platform: "android", build: "4.2.0", os: "14", model: `Pixel 8 ${HOSTILE}`, country: "BR", count: 812, before: 0, new: true },
  { source: "enrol", outcome: "refused", why: "rule:boot-failed", platform: "android", build: "4.2.0", os: "14", model: "SM-G998B", country: "VN", count: 140, before: 12 },
  { source: "authorize", outcome: "refused", why: "token-expired", platform: "ios", build: "4.1.9", route: "orders GET /orders", count: 64, before: 71 },
  { source: "enrol", outcome: "accepted", why: "", platform: "ios", build: "4.1.9", os: "19.1", model: "iPhone17,1", country: "DE", count: 1840, before: 1811 },
  { source: "enrol", outcome: "accepted", why: "", platform: "android", build: "4.1.9", os: "15", model: "Pixel 9", country: "US", count: 1240, before: 1302 },
  { source: "renew", outcome: "accepted", why: "", platform: "ios", build: "4.1.9", os: "19.1", model: "iPhone17,1", country: "FR", count: 920, before: 911 },
  { source: "renew", outcome: "refused", why: "rule:signal-hooking", platform: "android", build: "=cmd|'/c calc'!A1", os: "13", model: "=1+1", country: "SG", count: 9, before: 9 },
  { source: "enrol", outcome: "refused", why: "chain-revoked", platform: "android", build: "4.0.0", os: "12", model: "P30", country: "", count: 7, before: 3 },
  { source: "enrol", outcome: "accepted", why: "", platform: "harmony", build: "4.1.9", os: "6.0", model: "Mate 70", country: "XK", count: 44, before: 40 },
];
function causes(query) {
  const rows = ROWS.filter((row) => [...query].every(([name, value]) => row[name] === undefined || row[name] === value));
  return {
    rows: (scene === "empty" ? [] : rows).map((row) => ({ source: row.source, outcome: row.outcome, facts: facts(query, row), count: row.count, before: row.before, change: row.count - row.before, first_seen: row.new ? began : null, new: !!row.new })),
    not_shown: { rows: 0, count: 0, before: 0 }, remainder: 17, first_seen_since: 0, compared_with: { since: Number(query.get("since")) - 900, until: Number(query.get("since")) },
  };
}

const jobs = new Map();
const table = (value, keys) => ({ value, decisions: keys * 3, keys, keys_exact: true, changes: { "newly-refused": { decisions: keys * 2, keys, keys_exact: true } } });
const RESULT = {
  replayed: { decisions: 51_204, keys: 4310, keys_exact: true }, accepted_before: { decisions: 49_870, keys: 4221, keys_exact: true },
  changes: Object.fromEntries([["newly-refused", 212, 0.0426], ["newly-let-in", 0, 0], ["lowered", 14, 0.003], ["raised", 0, 0], ["unchanged", 3995, 0.94]].map(([name, keys, share]) => [name, { decisions: keys * 4, keys, keys_exact: true, share_of_decisions: share, share_of_keys: share * 1.1 }])),
  not_replayable: { "challenge-expired": 12 }, damaged: 0,
  tables: { rule: [table("refuse-build-differs", 212)], build: [table("4.2.0", 209), table("4.1.9", 3)], model: [table(`Pixel 8 ${HOSTILE}`, 150), table("SM-G998B", 62)], country: [table("BR", 150), table("VN", 62)], platform: [table("android", 212)] },
  samples: { "newly-refused": [{ key_id: "k".repeat(43), decisions: 12, at: began, app: "demo", platform: "android", app_build: "4.2.0", model: "Pixel 8", support_code: "7K2M9QXA", rules: ["refuse-build-differs"] }] },
};

function answer(method, path, query, body) {
  if (path === "/api/session") return { stack: "bonafide-prod", region: "eu-central-1", local: false, operator: "arn:aws:sts::123456789012:assumed-role/operators/ada", apps: ["demo", "bank"], now: seconds(), clock_offset: 0.2 };
  if (path === "/api/lint") {
    const line = body.appraisal.split("\n").findIndex((text) => text.includes("boot_sta ")) + 1;
    return { messages: line ? [{ severity: "error", code: "unknown-attribute", line, column: 15, rule: "boot-failed", text: "Android has no attribute boot_sta.", hint: "Did you mean verified_boot_state?" }] : body.appraisal.includes("@id") ? [] : [{ severity: "warning", code: "no-rules", line: 1, column: 1, text: "Nothing is refused.", hint: "" }] };
  }
  if (path === "/api/draft") {
    const text = `@id("refuse-${body.facts.why ?? "these"}")\n@expires("2026-12-31")\nforbid (principal, action, resource)\nwhen { context has build && context.build.match == "differs" };\n`;
    return { appraisal: `${POLICY}\n${text}`, rule: `refuse-${body.facts.why ?? "these"}`, text };
  }
  if (path === "/api/replay") { jobs.set("j1", seconds()); return { job: "j1" }; }
  if (path === "/api/replay/j1/cancel") { jobs.delete("j1"); return {}; }
  if (path === "/api/replay/j1") {
    const part = Math.min(1, (seconds() - (jobs.get("j1") ?? 0)) / 3);
    return jobs.has("j1") ? { state: part < 1 ? "running" : "done", done: Math.round(51_204 * part), total: 51_204, result: part < 1 ? null : RESULT, problem: null } : { state: "failed", done: 0, total: null, result: null, problem: "The replay was cancelled." };
  }
  const at = path.slice("/api/admin".length);
  const documented = /(?:\/(view|timeline|causes|funnel)|\/(key|support)s?\/[^/]+)$/.exec(at);
  if (scene === "documented" && documented) return JSON.parse(readFileSync(`tests/view_answers/${documented[1] ?? documented[2]}.json`, "utf8"));
  if (at === "/apps/demo/view") return view(query);
  if (at === "/apps/demo/view/causes") return causes(query);
  if (at === "/apps/demo/view/funnel") {
    const steps = [["challenge", 10_000], ["evidence", 9_310], ["verified", 9_204], ["accepted", 9_100], ["used", 9_020], ["renewed", 7_911]];
    const loss = (after, cause, kind, number, facts) => ({ after, cause, kind, count: number, share: number / 10_000, facts });
    return {
      steps: steps.map(([step, number], index) => ({ step, count: scene === "empty" ? 0 : number, share: scene === "empty" ? null : number / 10_000, of: index < 4 ? "attempts" : "devices", error: index < 4 ? 0 : 0.0325 })),
      losses: scene === "empty" ? [] : [
        loss("challenge", "key-generation-failed", "reported", 310, { platform: "android", model: "Moto G7" }), loss("challenge", "unexplained", "unexplained", 200, {}),
        loss("challenge", "app-attest-not-supported", "reported", 180, { platform: "ios", model: HOSTILE }), loss("evidence", "chain-revoked", "refused", 106, { platform: "android", model: "P30" }),
        loss("verified", "rule:boot-failed", "refused", 104, { platform: "android", model: "SM-G998B" }), loss("accepted", "no-request", "estimate", 80, {}),
      ],
      not_shown: { rows: 0, count: 0 }, unexplained: { count: 200, share: 0.02 }, excess: 12, data_until: seconds(),
    };
  }
  if (at === "/apps/demo/incidents") return { incidents: scene === "outbreak" ? [INCIDENT] : [], next: null };
  if (at.startsWith("/apps/demo/incidents/")) return method === "GET" ? INCIDENT : Object.assign(INCIDENT, { state: "closed", ended_at: seconds(), closed: { by: "ada", reason: body.reason, at: seconds() } });
  if (at === "/apps/demo/timeline") return { entries: scene === "empty" ? [] : [
    { at: began - 320, kind: "policy", title: "Version 7 published, effect now", who: "ada", reason: "Lab emulators", subject: "app/demo" },
    { at: began + 60, kind: "block", title: "Key blocked", who: "policy 7: signal-hooking", reason: HOSTILE, subject: "key/abc" },
    { at: began + 200, kind: "rollout", title: "Version 7 raised to 100 %", who: "grace", reason: "quiet for a day", subject: "app/demo" },
  ], before: null, complete: true };
  if (at === "/policies/demo" && method === "GET") return head();
  if (at === "/policies/demo/history") return { versions: [...versions.values()].filter((one) => one.version).reverse() };
  const shown = /^\/policies\/demo\/(?:versions|proposals)\/(\d+)$/.exec(at);
  if (shown) return versions.get(Number(shown[1]));
  if (at.startsWith("/policies/demo") && method === "POST") {
    if (body.why === "conflict") return [409, { type: "/problems/policy-conflict", title: "The policies of this app are not what you saw.", detail: "grace published version 8 a minute ago." }];
    version += 1; bundle += 1; changedAt = seconds();
    versions.set(version, { ...versions.get(version - 1), version, why: body.why, at: Math.floor(seconds()), effect: body.effect, appraisal: body.appraisal ?? POLICY });
    return { ...head(), added: versions.get(version), proposed: null, warnings: [], tokens_not_before: body.effect === "now" ? Math.floor(seconds()) : null, ...(body.effect === "now" ? { published: true, bundle_version: bundle } : {}) };
  }
  if (at === "/apps/demo/not-before") { if (method === "POST") bundle += 1; return { app: "demo", tokens_not_before: Math.floor(seconds()), published: true, bundle_version: bundle }; }
  const key = /^\/keys\/([^/]+)(?:\/(block|unblock))?$/.exec(at);
  if (key?.[1].startsWith("k")) {
    if (key[2]) bundle += 1;
    return { key_id: key[1], app: "demo", state: key[2] === "block" ? "blocked" : "active", enrolled_at: Math.floor(began - 90_000), last_seen: Math.floor(seconds() - 8), expires_at: Math.floor(seconds() + 9e6), blocked_at: key[2] === "block" ? Math.floor(seconds()) : null, blocked_until: null, reason: key[2] === "block" ? body.reason : "", blocked_by: key[2] === "block" ? "ada" : "", ...(key[2] ? { published: true, bundle_version: bundle } : { facts: { kind: "Android", claims: { verified_boot_state: "verified", patch_age_months: 3, model: HOSTILE }, signals: { other: [] } } }) };
  }
  if (at === "/support/7K2M9QXA") return {
    code: "7K2M9QXA", searched: { since: seconds() - 604_800, until: seconds(), complete: true },
    decisions: [{ at: began + 3, log: "enrol.log", decision: { message: "decision", action: "enrol", outcome: "refused", reason: "appraisal", tier: "contraindicated", policy_version: 7, app: "demo", key_id: "k".repeat(43), platform: "android", app_build: "4.2.0", os: "14", model: HOSTILE, country: "BR", findings: ["boot-failed"], facts: { principal: { verified_boot_state: "failed", patch_age_months: 22 }, context: { event: "enrol", signals: { other: [] } } } },
      rules: [{ rule: "boot-failed", line: 44, advice: "contact-support", text: POLICY.split("\n").slice(-5).join("\n") }],
      told: { status: 403, slug: "not-accepted", title: "This device is not accepted.", retry: "never", advice: ["contact-support"] } }],
  };
  return [404, { type: "/problems/unknown-key", title: "This key is not known.", detail: "No such key or code." }];
}

createServer(async (request, response) => {
  const url = new URL(request.url, "http://127.0.0.1");
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  if (url.pathname.startsWith("/api/")) {
    if (!request.headers["x-bonafide-console"]) return response.writeHead(403).end();
    const failing = url.pathname.startsWith("/api/admin") ? PROBLEMS[scene] : undefined;
    const said = failing ? [failing[0], { type: `/problems/${failing[1]}`, title: "", detail: failing[2] }] : answer(request.method, url.pathname, url.searchParams, chunks.length ? JSON.parse(Buffer.concat(chunks)) : {});
    const [status, body] = Array.isArray(said) ? said : [200, said];
    const text = JSON.stringify(body), etag = `"${createHash("sha256").update(text).digest("hex").slice(0, 16)}"`;
    if (request.headers["if-none-match"] === etag) return response.writeHead(304).end();
    return response.writeHead(status, { "Content-Type": "application/json", ETag: etag }).end(text);
  }
  const name = extname(url.pathname) ? normalize(url.pathname) : "/index.html";
  try {
    response.writeHead(200, { "Content-Type": TYPES[extname(name)] ?? "application/octet-stream", "Content-Security-Policy": CSP }).end(readFileSync(join(folder, name)));
  } catch {
    response.writeHead(404).end();
  }
}).listen(Number(port), "127.0.0.1", () => console.log(`http://127.0.0.1:${port}/now`));
