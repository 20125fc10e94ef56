// Signs requests, and verifies ours, with npm's http-message-signatures. Standard input: JSON lines
// {key, keyid, request: {method, url, headers}, fields, nonce, created} to sign, or {…, verify: true}; one line each back.
const { createPrivateKey, createPublicKey, sign, verify } = require("node:crypto");
const { createInterface } = require("node:readline");
const { httpbis } = require("http-message-signatures");

async function answer(job) {
  const key = { key: createPrivateKey({ key: job.key, format: "jwk" }), dsaEncoding: "ieee-p1363" };
  if (job.verify) {
    const publicKey = { key: createPublicKey(key.key), dsaEncoding: "ieee-p1363" };
    const found = {
      id: job.keyid,
      algs: ["ecdsa-p256-sha256"],
      verify: async (data, signature) => verify("sha256", data, publicKey, signature),
    };
    return { good: await httpbis.verifyMessage({ keyLookup: async () => found }, job.request) };
  }
  const config = {
    key: { id: job.keyid, alg: "ecdsa-p256-sha256", sign: async (data) => sign("sha256", data, key) },
    fields: job.fields,
    params: ["created", "nonce", "keyid", "alg", "tag"],
    paramValues: { created: new Date(job.created * 1000), nonce: job.nonce, tag: "bonafide" },
  };
  return httpbis.signMessage(config, job.request);
}

(async () => {
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(JSON.parse(line))));
  }
})();
