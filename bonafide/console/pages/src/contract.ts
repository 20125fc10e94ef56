// What the Admin API and the console's own server answer, as far as the pages read it.

export interface Session {
  stack: string;
  region: string;
  local: boolean;
  operator: string;
  apps: string[];
  now: number;
  clock_offset: number | null;
}

export type Counts = Record<string, number>;

export interface Estimate {
  estimate: number;
  error: number;
}

export interface View {
  app: string;
  since: number;
  until: number;
  step: number;
  at: number[];
  /** By source and outcome; null is not known yet. */
  series: Record<string, Record<string, (number | null)[]>>;
  totals: Record<string, Counts>;
  refused_share: Record<string, number | null> & { before?: Record<string, number | null> };
  unique_keys: Record<string, Record<string, Estimate | null>>;
  unrecorded: Counts;
  gate: { bundle_versions: [number, number]; bundle_age: number; published_version: number | null } | null;
  vendors: { name: string; state: string; age: number | null; detail: string }[];
  incident: { id: string; title: string; at: number; detector: string } | null;
  data_until: number | null;
  delay: number | null;
  them_or_us: { verdict: string; because: string[] };
}

export interface Cause {
  source: string;
  outcome: string;
  facts: Record<string, string>;
  count: number;
  before: number;
  change: number | null;
  first_seen: number | null;
  new: boolean;
}

export interface Causes {
  rows: Cause[];
  not_shown: { rows: number; count: number; before: number };
  remainder: number;
  first_seen_since: number | null;
  compared_with: { since: number; until: number };
}

export interface FunnelStep {
  step: string;
  count: number | null;
  share: number | null;
  of: string;
  error: number;
}

export interface Loss {
  after: string;
  cause: string;
  kind: string;
  count: number;
  share: number | null;
  facts: Record<string, string>;
}

export interface Funnel {
  steps: FunnelStep[];
  losses: Loss[];
  not_shown: { rows: number; count: number };
  unexplained: { count: number; share: number | null } | null;
  excess: number;
  data_until: number | null;
}

export interface Timeline {
  entries: TimelineEntry[];
  before: string | null;
  complete: boolean;
}

export interface TimelineEntry {
  at: number;
  kind: string;
  title: string;
  who: string;
  reason: string;
  subject: string;
}

export interface Incidents {
  incidents: Incident[];
  next: string | null;
}

export interface Incident {
  id: string;
  /** `-` where all apps are concerned. */
  app: string;
  state: string;
  detector: string;
  title: string;
  scope: string;
  since: number;
  last: number;
  opened_at: number;
  ended_at: number | null;
  closed: { by: string; reason: string; at: number } | null;
  counts: Counts;
  /** A sample. */
  keys: string[];
  named: Record<string, string>;
  confidence: number;
  because: string[];
  remedy: { kind: string; text: string; rule: string; command: string };
  own_signer_share: number | null;
}

export interface PolicyFacts {
  version: number;
  why: string;
  by: string;
  at: number;
  effect: string;
  rollout: number;
  based_on: number;
  restores: number | null;
  promotes: number | null;
  approved_by: string;
}

export interface PolicyTexts extends PolicyFacts {
  appraisal: string;
  client: string;
}

export interface PolicyHead {
  app: string;
  latest: number;
  stable: number;
  previous: number | null;
  canary: { version: number; rollout: number } | null;
  proposal: number | null;
  approval: string;
}

export interface Change extends Partial<PolicyHead> {
  added?: PolicyFacts | null;
  proposed?: PolicyFacts | null;
  published?: boolean;
  bundle_version?: number | null;
  what_to_do?: string;
  tokens_not_before?: number | null;
  warnings?: LintMessage[];
}

export interface LintMessage {
  severity: string;
  code: string;
  line: number;
  column?: number | null;
  rule?: string;
  text: string;
  hint?: string;
}

interface KeysAndDecisions {
  decisions: number;
  keys: number;
  keys_exact: boolean;
}

export interface ReplayResult {
  replayed: KeysAndDecisions;
  accepted_before: KeysAndDecisions;
  changes: Record<string, KeysAndDecisions & { share_of_decisions: number; share_of_keys: number }>;
  not_replayable: Counts;
  damaged: number;
  tables: Record<string, (KeysAndDecisions & { value: string; changes: Record<string, KeysAndDecisions> })[]>;
  samples: Record<string, SampledKey[]>;
}

export interface SampledKey {
  key_id: string;
  decisions: number;
  platform: string;
  app_build: string;
  model: string;
  support_code: string;
  rules: string[];
}

export interface ReplayJob {
  state: "running" | "done" | "failed";
  /** Bytes of recorded decisions. */
  done: number;
  total: number | null;
  result: ReplayResult | null;
  problem: string | null;
}

export interface KeyStatus {
  key_id: string;
  app: string;
  state: string;
  enrolled_at: number;
  last_seen: number;
  expires_at: number;
  blocked_at: number | null;
  blocked_until: number | null;
  reason: string;
  blocked_by: string;
  /** What the last accepted evidence proved; null where it cannot be read, absent in the answers of changes. */
  facts?: Record<string, unknown> | null;
}

export interface SupportCode {
  code: string;
  decisions: {
    at: number | null;
    log: string;
    decision: Record<string, unknown>;
    rules: { rule: string; line: number; advice: string | null; text: string }[];
    told: { status: number; slug: string; title: string; retry: string; advice: string[] } | null;
  }[];
  searched: { since: number; until: number; complete: boolean };
}
