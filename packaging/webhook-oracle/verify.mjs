// Verifies by npm's standardwebhooks what the drill's receivers got: one JSON object a line, {"secret", "headers", "body",
// "now"}, one line back: "ok", or why not. The time is the drill's, so the clock that the library asks is set.
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  Date.now = () => asked.now * 1000;
  let answer = "ok";
  try {
    new Webhook(asked.secret).verify(asked.body, asked.headers);
  } catch (error) {
    answer = error.message;
  }
  process.stdout.write(`${answer}\n`);
}
