// Opens and seals by @hpke/core what the tests hand over on standard input, as JSON: texts are hexadecimal.
// {"open": [{"private_key", "public_key", "enc", "info", "ciphertext"}], "seal": [{"public_key", "info", "value"}]}
import { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from "@hpke/core";

const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (buffer) => Buffer.from(buffer).toString("hex");
const suite = new CipherSuite({ kem: new DhkemP256HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const asked = JSON.parse(Buffer.concat(chunks).toString("utf8"));
const answer = { opened: [], sealed: [] };
for (const one of asked.open) {
  try {
    const point = bytes(one.public_key);
    const url = (part) => Buffer.from(part).toString("base64url");
    const jwk = { kty: "EC", crv: "P-256", x: url(point.slice(1, 33)), y: url(point.slice(33)), d: url(bytes(one.private_key)), key_ops: ["deriveBits"] };
    const recipientKey = await suite.kem.importKey("jwk", jwk, false);
    const recipient = await suite.createRecipientContext({ recipientKey, enc: bytes(one.enc), info: bytes(one.info) });
    answer.opened.push(hex(await recipient.open(bytes(one.ciphertext))));
  } catch {
    answer.opened.push(null);
  }
}
for (const one of asked.seal) {
  const recipientPublicKey = await suite.kem.deserializePublicKey(bytes(one.public_key));
  const sender = await suite.createSenderContext({ recipientPublicKey, info: bytes(one.info) });
  answer.sealed.push({ ciphertext: hex(await sender.seal(bytes(one.value))), enc: hex(sender.enc) });
}
process.stdout.write(JSON.stringify(answer));
