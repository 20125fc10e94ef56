// The draft editor: plain text with line numbers, and what the linter says of it as it is typed.
import { useEffect, useRef, useState } from "preact/hooks";
import { Problem, post } from "../api.ts";
import type { LintMessage } from "../contract.ts";
import { ProblemNote } from "../parts.tsx";

const TYPING_PAUSE = 400;

/** What the linter says; null while it is asked. */
export function useLint(app: string, appraisal: string): { messages: LintMessage[] | null; problem: Problem | null } {
  const [state, setState] = useState<{ messages: LintMessage[] | null; problem: Problem | null }>({ messages: null, problem: null });
  useEffect(() => {
    const stop = new AbortController();
    setState((old) => ({ ...old, messages: null }));
    const timer = setTimeout(() => {
      post<{ messages: LintMessage[] }>("/api/lint", { app, appraisal }, stop.signal).then(
        ({ messages }) => setState({ messages, problem: null }),
        (error: unknown) => stop.signal.aborted || setState({ messages: null, problem: error instanceof Problem ? error : null }),
      );
    }, TYPING_PAUSE);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [app, appraisal]);
  return state;
}

export function Editor({ text, begin, onEdit, messages, problem }: {
  /** `begin` is the line to be seen first. */
  text: string; begin: number; onEdit: (text: string) => void; messages: LintMessage[] | null; problem: Problem | null;
}) {
  const area = useRef<HTMLTextAreaElement>(null);
  const gutter = useRef<HTMLPreElement>(null);
  const lines = text.split("\n").length;
  const worst = new Map<number, string>();
  for (const message of messages ?? []) if (worst.get(message.line) !== "error") worst.set(message.line, message.severity);
  const toLine = (line: number): void => {
    const box = area.current!;
    const before = text.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    const end = text.indexOf("\n", before);
    box.focus();
    box.setSelectionRange(before, end < 0 ? text.length : end);
    box.scrollTop = Math.max(0, (line - 4) * (box.scrollHeight / lines));
  };
  useEffect(() => {
    if (begin > 1) toLine(begin);
  }, []);
  const errors = messages?.filter((message) => message.severity === "error").length ?? 0;
  return (
    <div class="editor">
      <div class="page">
        <pre class="gutter" ref={gutter} aria-hidden="true">
          {Array.from({ length: lines }, (_, index) => <span key={index} class={worst.get(index + 1) ?? ""}>{index + 1}{"\n"}</span>)}
        </pre>
        <textarea ref={area} name="appraisal" aria-label="Appraisal policy, in Cedar" aria-describedby="lint-summary" value={text} wrap="off"
          spellcheck={false} autocapitalize="off" autocomplete="off" rows={Math.min(28, Math.max(14, lines + 1))}
          onInput={(event) => onEdit(event.currentTarget.value)}
          onScroll={(event) => { if (gutter.current) gutter.current.scrollTop = event.currentTarget.scrollTop; }} />
      </div>
      <p id="lint-summary" class="hint" role="status">
        {messages === null ? (problem ? "The linter does not answer." : "Checking…") : messages.length === 0 ? "The linter has nothing to say against it."
          : `${errors} error${errors === 1 ? "" : "s"}, ${messages.length - errors} warning${messages.length - errors === 1 ? "" : "s"}.`}
      </p>
      {problem && <ProblemNote problem={problem} />}
      {messages !== null && messages.length > 0 && (
        <ul class="lint" aria-label="What the linter says">
          {messages.map((message, index) => (
            <li key={index} class={message.severity}>
              <button type="button" class="quiet" onClick={() => toLine(message.line)}>Line {message.line}</button>
              <span><b>{message.severity}</b> {message.text} {message.hint} <small>{message.code}</small></span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
