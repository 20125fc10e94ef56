// What an operator does to policies: each with a reason, and a sentence that says what will happen to how many.
import { useEffect, useState } from "preact/hooks";
import { admin, get, now, ofApp, post } from "../api.ts";
import type { Change, PolicyHead, View } from "../contract.ts";
import { watch } from "../effects.tsx";
import { estimate } from "../format.ts";
import { Confirm } from "../parts.tsx";

export type Action =
  | { kind: "publish"; text: string; seen: number; harm: string }
  | { kind: "promote"; version: number; rollout: number }
  | { kind: "rollback"; to: number | null; latest: number }
  | { kind: "approve" | "reject"; proposal: number }
  | { kind: "not-before" };

interface Choice { rollout: number; effect: "now" | "next-renewal" }

const VERBS: Record<Action["kind"], [title: string, verb: string, done: string]> = {
  publish: ["Publish the draft", "Publish", "published"],
  promote: ["Raise the rollout", "Promote", "rollout raised"],
  rollback: ["Roll back", "Roll back", "rolled back"],
  approve: ["Approve the proposal", "Approve", "proposal approved"],
  reject: ["Reject the proposal", "Reject", "proposal rejected"],
  "not-before": ["Refuse older tokens", "Refuse older tokens", "older tokens refused"],
};

export function ActionDialog({ app, head, action, onDone, onChanged }: {
  app: string; head: PolicyHead; action: Action; onDone: () => void; onChanged: (answer: Change) => void;
}) {
  const first: Choice = { rollout: 100, effect: action.kind === "rollback" || action.kind === "publish" ? "now" : "next-renewal" };
  const [choice, setChoice] = useState<Choice>(first);
  const reach = useReach(app);
  const [title, verb, done] = VERBS[action.kind];
  const chooses = action.kind === "publish" || action.kind === "promote" || action.kind === "rollback";
  const act = async (reason: string): Promise<void> => {
    const asked = now();
    const [path, body] = call(app, action, choice, reason);
    const answer = await post<Change>(path, body);
    const note = answer.proposed ? `Nothing changes yet: proposal ${answer.proposed.version} waits for a second person.` : action.kind === "reject" ? "Nothing changes." : "";
    watch(app, `${app}: ${done}${answer.added ? `, version ${answer.added.version}` : ""}`, asked, answer, note);
    onChanged(answer);
  };
  return (
    <Confirm title={title} verb={verb} danger={action.kind === "not-before" || (chooses && choice.effect === "now")} act={act} onDone={onDone}>
      {sentences(app, head, action, choice, reach).map((sentence) => <p key={sentence}>{sentence}</p>)}
      {(action.kind === "publish" || action.kind === "promote") && (
        <label class="field">Rollout, percent of keys
          <input type="number" name="rollout" min={1} max={100} step={1} value={choice.rollout} required
            onInput={(event) => setChoice({ ...choice, rollout: event.currentTarget.valueAsNumber || 0 })} />
        </label>
      )}
      {chooses && (
        <fieldset class="ticks">
          <legend>Takes effect</legend>
          {([["now", "now: older tokens are refused"], ["next-renewal", "as keys renew, within minutes"]] as const).map(([value, name]) => (
            <label class="tick" key={value}>
              <input type="radio" name="effect" value={value} checked={choice.effect === value} onChange={() => setChoice({ ...choice, effect: value })} /> {name}
            </label>
          ))}
        </fieldset>
      )}
    </Confirm>
  );
}

function call(app: string, action: Action, choice: Choice, why: string): [path: string, body: unknown] {
  const policies = admin(`/policies/${encodeURIComponent(app)}`);
  switch (action.kind) {
    case "publish":
      return [policies, { appraisal: action.text, why, rollout: choice.rollout, effect: choice.effect, expected_version: action.seen }];
    case "promote":
      return [`${policies}/promote`, { version: action.version, rollout: choice.rollout, why, effect: choice.effect }];
    case "rollback":
      return [`${policies}/rollback`, { ...(action.to === null ? {} : { to: action.to }), why, effect: choice.effect, expected_version: action.latest }];
    case "approve":
    case "reject":
      return [`${policies}/${action.kind}`, { proposal: action.proposal, why }];
    case "not-before":
      return [ofApp(app, "/not-before"), { why }];
  }
}

function sentences(app: string, head: PolicyHead, action: Action, choice: Choice, reach: string): string[] {
  const older = `Every token of ${app} that was minted until now is refused at the gates within seconds. Honest apps renew in one round trip: ${reach}.`;
  const effect = choice.effect === "now" ? older : "Tokens stay as they are; each key is judged by it when it renews, within minutes.";
  const share = choice.rollout === 100 ? "all keys" : `${choice.rollout} % of keys`;
  const second = head.approval === "two-person" ? ["Nothing changes yet: a second person has to approve it."] : [];
  switch (action.kind) {
    case "publish":
      return [`The draft becomes the version after ${head.latest} of ${app}, for ${share}.`, action.harm, effect, ...second];
    case "promote":
      return [`Version ${action.version} of ${app}, now for ${action.rollout} % of keys, becomes active for ${share}.`, effect, ...second];
    case "rollback":
      return [
        action.to === null ? `The policy that was stable before becomes a new version of ${app}, for all keys.` : `The documents of version ${action.to} become a new version of ${app}, for all keys.`,
        effect, ...(action.to === null ? [] : second),
      ];
    case "approve":
      return [`Proposal ${action.proposal} becomes active for ${app}, exactly as it was proposed.`];
    case "reject":
      return [`Proposal ${action.proposal} of ${app} is withdrawn. Nothing changes for any key.`];
    case "not-before":
      return [older];
  }
}

/** How many keys a change reaches, in words: those that were seen at the gate in the last quarter of an hour. */
function useReach(app: string): string {
  const [words, setWords] = useState("how many that are is being asked");
  useEffect(() => {
    const stop = new AbortController();
    get<View>(`${ofApp(app, "/view")}?source=authorize`, stop.signal).then(
      (view) => setWords(`${estimate(view.unique_keys.authorize?.accepted)} keys were accepted in the last 15 minutes`),
      () => stop.signal.aborted || setWords("how many keys that are is not known"),
    );
    return () => stop.abort();
  }, [app]);
  return words;
}
