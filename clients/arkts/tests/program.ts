/** The kit's test program: one JSON command per line, one answer per line (docs/client-kit.md). `node program.js CONFIG`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Bonafide, BonafideError, CallOptions, Platform, Settings } from '../core/index';
import { base64url } from '../core/bytes';
import { DETECTOR_OFF } from '../core/policy_document';
import { NodeCryptography } from './node_cryptography';
import { FileRecords, NoLock, NodeTransport, SeededChance, ServiceAttester, SoftwareKeys, VirtualClock } from './software_device';

interface Config {
  verifier_url: string;
  guarded_url: string;
  guarded_urls?: string[];
  regions: Record<string, string>;
  home: string;
  app: string;
  issuer: string;
  root_set: object;
  platform: string;
  app_build: string;
  os: string;
  model: string;
  state_dir: string;
  clock_offset: number;
  monotonic_start: number;
  evidence_url: string;
  seed: number;
  now: number;
}

interface Command {
  do: string;
  method: string;
  path: string;
  body?: string | null;
  count?: number;
  feature?: string | null;
  deadline?: number | null;
  name: string;
  detail?: string | null;
  code: string | null;
  seconds: number;
}

const config = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Config;
const clock = new VirtualClock(config.now, config.clock_offset, config.monotonic_start);
const transport = new NodeTransport(() => ({ 'Kit-Time': String(clock.now) }));
const keys = new SoftwareKeys(join(config.state_dir, 'keys.json'));
const platform = new Platform('harmony', new NodeCryptography(), clock, new SeededChance(config.seed), transport, keys,
  new ServiceAttester(config.evidence_url, config.app, config.app_build, keys, transport), new FileRecords(config.state_dir), new NoLock(),
  { appBuild: () => config.app_build, os: () => config.os, model: () => config.model });
const settings = Settings.of(config.app, config.issuer, JSON.stringify(config.root_set), new Map(Object.entries(config.regions)), config.home,
  config.guarded_urls ?? [config.guarded_url]);
let bonafide = new Bonafide(platform, settings);

/** An error as the kit's protocol has it. */
function shown(error: unknown): object {
  if (!(error instanceof BonafideError)) {
    throw error;
  }
  return { error: { code: error.code, fault: error.fault, action: error.action, support_code: error.supportCode === '' ? null : error.supportCode,
    retry_after: error.retryAfter ?? null, advice: error.advice } };
}

async function request(command: Command): Promise<object> {
  const options = new CallOptions();
  options.feature = command.feature ?? '';
  options.patience = command.deadline ?? options.patience;
  const url = command.path.includes('://') ? command.path : config.guarded_url + command.path;
  const body = command.body === undefined || command.body === null ? undefined : new Uint8Array(Buffer.from(command.body));
  if (body !== undefined) {
    options.headers.set('Content-Type', 'application/json');
  }
  const one = async (): Promise<object> => {
    try {
      const answer = await bonafide.request(command.method, url, body, options);
      return { status: answer.status, body: Buffer.from(answer.body).toString('utf8') };
    } catch (error) {
      return shown(error);
    }
  };
  return { answers: await Promise.all(Array.from({ length: command.count ?? 1 }, one)) };
}

async function policy(): Promise<object> {
  const view = await bonafide.policy();
  const reactions = Object.fromEntries([...view.reactions].map(([name, one]) => [name, one === DETECTOR_OFF ? null : one]));
  return { version: view.version, reactions, features_off: view.featuresOff, stopped: view.stopped };
}

async function act(command: Command): Promise<object> {
  switch (command.do) {
    case 'request':
      return request(command);
    case 'policy':
      return policy();
    case 'signal':
      return { status: (await bonafide.report(command.name, command.detail ?? '')).status };
    case 'secret': {
      const secret = await bonafide.secret(command.name);
      return { value: base64url(secret.value), version: secret.version };
    }
    case 'restart':
      bonafide = new Bonafide(platform, settings);
      return {};
    case 'lose-key':
      keys.lose();
      return {};
    case 'cannot-attest':
      keys.broken = command.code ?? '';
      return {};
    case 'advance':
      await clock.sleep(command.seconds);
      return {};
    default:
      return { unsupported: true };
  }
}

async function main(): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line) as Command;
    if (command.do === 'quit') {
      return;
    }
    let answer: object;
    try {
      answer = await act(command);
    } catch (error) {
      answer = shown(error);
    }
    await transport.settled();
    process.stdout.write(JSON.stringify(answer) + '\n');
  }
}

void main();
