// Proofs by npm's dpop and oauth4webapi, and tokens verified by npm's jose. Says its public keys on one line, reads what
// it is given on one line, and answers on one line: {"proofs": [{library, case, proof}], "tokens": [{case, refused}]}.
import { createInterface } from "node:readline";
import * as dpop from "dpop";
import { createLocalJWKSet, exportJWK, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";

const keys = await dpop.generateKeyPair("ES256");
const others = await dpop.generateKeyPair("ES256");
const { kty, crv, x, y } = await exportJWK(keys.publicKey);
process.stdout.write(`${JSON.stringify({ kty, crv, x, y })}\n`);

const [line] = await (async () => {
  for await (const text of createInterface({ input: process.stdin })) return [text];
  return ["{}"];
})();
const given = JSON.parse(line);
const { token, otherToken, method, url, nonce, digest } = given;

/** An hour ago, as the library's clock has it. */
async function anHourAgo(make) {
  const now = Date.now;
  Date.now = () => now() - 3_600_000;
  try {
    return await make();
  } finally {
    Date.now = now;
  }
}

function byDpop(change = {}) {
  const one = { keys, url, method, nonce: undefined, token, more: undefined, ...change };
  return dpop.generateProof(one.keys, one.url, one.method, one.nonce, one.token, one.more);
}

/** oauth4webapi makes proofs inside its requests: this takes the header from one that is never sent. */
async function byOauth(change = {}) {
  const one = { keys, url, method, nonce: undefined, token, ...change };
  let proof = "";
  const handle = oauth.DPoP({ client_id: "app" }, one.keys);
  const ask = (answer) =>
    oauth.protectedResourceRequest(one.token, one.method, new URL(one.url), new Headers(), undefined, {
      DPoP: handle,
      [oauth.customFetch]: async (_url, options) => {
        proof = new Headers(options.headers).get("dpop");
        return answer();
      },
    });
  if (one.nonce !== undefined) {
    const asked = { "WWW-Authenticate": 'DPoP error="use_dpop_nonce"', "DPoP-Nonce": one.nonce };
    await ask(() => new Response("", { status: 401, headers: asked })).catch(() => undefined);
  }
  await ask(() => new Response("{}", { status: 200 }));
  return proof;
}

const elsewhere = url.replace("/v1/orders", "/v1/admin");
const proofs = [];
for (const [library, make] of [["dpop", byDpop], ["oauth4webapi", byOauth]]) {
  const cases = {
    plain: () => make(),
    "with a query": () => make({ url: library === "dpop" ? url : `${url}?page=2` }),
    "with the nonce": () => make({ nonce }),
    "another method": () => make({ method: "DELETE" }),
    "another path": () => make({ url: elsewhere }),
    "another host": () => make({ url: url.replace("api.", "evil.") }),
    "another token": () => make({ token: otherToken }),
    "another key": () => make({ keys: others }),
    "another nonce": () => make({ nonce: "c29tZXRoaW5nIGVsc2U" }),
    "an hour old": () => anHourAgo(() => make()),
  };
  // One after the other: the clock is set back for one of them.
  for (const [name, one] of Object.entries(cases)) proofs.push({ library, case: name, proof: await one() });
}
proofs.push({ library: "dpop", case: "with a body", proof: await byDpop({ more: { "content-digest": digest } }) });
const otherBody = await byDpop({ more: { "content-digest": given.otherDigest } });
proofs.push({ library: "dpop", case: "another body", proof: otherBody });
proofs.push({ library: "dpop", case: "no token", proof: await dpop.generateProof(keys, url, method) });

async function refused(text, jwks, options = {}) {
  try {
    await jwtVerify(text, createLocalJWKSet(jwks), {
      issuer: given.issuer,
      audience: given.audience,
      typ: "oauth-client-attestation+jwt",
      algorithms: ["ES256"],
      ...options,
    });
    return "";
  } catch (error) {
    return error.code ?? String(error);
  }
}

const [head, payload, signature] = token.split(".");
const changed = `${head}.${payload.slice(0, -2)}${payload.endsWith("A") ? "B" : "A"}${payload.slice(-1)}.${signature}`;
const tokens = [
  { case: "plain", refused: await refused(token, given.jwks) },
  { case: "another issuer", refused: await refused(token, given.jwks, { issuer: "other-stack" }) },
  { case: "another audience", refused: await refused(token, given.jwks, { audience: "https://other.example" }) },
  { case: "another type", refused: await refused(token, given.jwks, { typ: "JWT" }) },
  { case: "after its end", refused: await refused(token, given.jwks, { currentDate: new Date(Date.now() + 3_600_000) }) },
  { case: "a changed claim", refused: await refused(changed, given.jwks) },
  { case: "another stack's keys", refused: await refused(token, given.otherJwks) },
];
process.stdout.write(`${JSON.stringify({ proofs, tokens })}\n`);
