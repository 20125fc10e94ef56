/** Runs every vector that concerns a client: `node vectors.js FOLDER [FILE …]`. One line for each failure, or `ok`. */
import * as crypto from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { base64url, fromBase64url, hex, utf8 } from '../core/bytes';
import { fitBuild, fitMembers, fitText } from '../core/client_data';
import { openHpke } from '../core/hpke';
import { Json, readObjectText } from '../core/json';
import { PublicKey, rawSignature } from '../core/keys';
import { Call, Refusal, nextStep } from '../core/next_step';
import { chainIsGood, pinsOf } from '../core/pins';
import { HttpAnswer } from '../core/platform';
import { DETECTOR_OFF, EnforcedPolicy, enforced } from '../core/policy_document';
import { ProofSubject, contentDigest, proofClaims, proofHeader } from '../core/proofs';
import { RootSet, alongChain, follow } from '../core/root_sets';
import { bindingInfo } from '../core/secret_binding';
import { OffsetKind, clockOffset } from '../core/server_clock';
import { PolicyJudge, compared } from '../core/signed_policy';
import { mintedToken } from '../core/token_life';
import { waitAfter } from '../core/waits';
import { rejected } from '../core/app_error';
import { runUnits } from './units';
import { NodeCryptography } from './node_cryptography';

// Vectors are data of many shapes; only this program reads them without a declared type.
type Case = any;

const cryptography = new NodeCryptography();
let file = '';
let failed = 0;
let run = 0;

function same(name: string, got: unknown, due: unknown): void {
  run++;
  const one = JSON.stringify(sorted(got));
  const other = JSON.stringify(sorted(due));
  if (one !== other) {
    failed++;
    console.log(`FAILED ${file}: ${name}: ${one}, not ${other}`);
  }
}

/** Members in one order, so that texts can be compared. */
function sorted(value: Case): Case {
  if (Array.isArray(value)) {
    return value.map(sorted);
  }
  if (value === null || typeof value !== 'object') {
    return value === undefined ? null : value;
  }
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]));
}

function json(value: unknown): Json {
  return readObjectText(JSON.stringify(value)) ?? Json.object();
}

function bytes(text: string): Uint8Array {
  return fromBase64url(text) ?? new Uint8Array(0);
}

const hexBytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

function clientData(all: Case): void {
  for (const one of all.cases) {
    if (one.members !== undefined) {
      const sent = fitMembers(json(one.members));
      for (const name of Object.keys(one.sent)) {
        same(one.case, JSON.parse(sent.write())[name], one.sent[name]);
      }
    } else {
      same(one.case, base64url(cryptography.sha256(bytes(one.bytes))), one.sha256);
    }
  }
  for (const one of all.texts) {
    const text = Buffer.from(one.utf16, 'hex').swap16().toString('utf16le');
    same(one.case, one.kind === 'build' ? fitBuild(text) : fitText(text), one.sent);
  }
}

function keys(all: Case): void {
  for (const one of all.cases) {
    const key = one.jwk !== undefined ? PublicKey.fromJwk(json(one.jwk)) : PublicKey.fromPoint(bytes(one.point));
    const got = one.jwk !== undefined ? key?.thumbprint(cryptography) : key?.keyId(cryptography);
    same(one.case, got, one.refused === true ? null : one.thumbprint ?? one.key_id);
  }
}

function signatures(all: Case): void {
  for (const one of all.cases) {
    const raw = rawSignature(bytes(one.der));
    same(one.case, raw === undefined ? null : base64url(raw), one.refused === true ? null : one.raw);
  }
  const key = PublicKey.fromJwk(json(all.jwk));
  for (const one of all.verifies ?? []) {
    const signature = bytes(one.signature);
    const good = signature.length === 64 && key !== undefined && cryptography.verifies(key.point(), bytes(all.message), signature);
    same(one.case, good, one.good);
  }
}

function signedBodies(all: Case): void {
  for (const one of all.cases) {
    same(one.case, contentDigest(bytes(one.body), cryptography), one.content_digest);
  }
}

function proofs(all: Case): void {
  const pair = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = PublicKey.fromJwk(json(pair.publicKey.export({ format: 'jwk' })));
  for (const one of all.makes) {
    const body = one.body === null ? undefined : bytes(one.body);
    const subject = new ProofSubject(one.method, one.url, one.token, body, one.nonce ?? undefined, one.now, one.jti);
    same(one.case, JSON.parse(proofClaims(subject, cryptography)?.write() ?? 'null'), one.claims);
    const header = key === undefined ? null : JSON.parse(proofHeader(key).write());
    const { jwk, ...rest } = header;
    same(one.case, rest, one.header);
    same(one.case, Object.keys(jwk).sort(), ['crv', 'kty', 'x', 'y']);
  }
}

function policies(all: Case): void {
  const roots = RootSet.read(json(all.root_set));
  const judge = new PolicyJudge(all.issuer, all.app, cryptography);
  for (const one of all.cases) {
    const held = one.held === null || roots === undefined ? undefined : judge.open(one.held, roots, one.now);
    const offered = roots === undefined ? undefined : judge.open(one.jws, roots, one.now);
    same(one.case, compared(offered, held, one.newest_seen), one.expect);
  }
  for (const one of all.documents) {
    const rules = enforced(json(one.document));
    same(one.case, rules === undefined ? null : told(rules), one.enforced === null ? null : withoutDates(one.enforced));
  }
  for (const one of all.builds) {
    const rules = new EnforcedPolicy();
    rules.minimumBuilds.set('harmony', one.least);
    same(one.case, rules.allowsBuild('harmony', one.build ?? ''), one.allowed);
  }
}

/** A policy's rules in the vectors' words. */
function told(rules: EnforcedPolicy): Case {
  const reactions = [...rules.reactions].map(([name, reaction]) => [name, reaction === DETECTOR_OFF ? null : reaction]);
  const pins = rules.pins.map((one) => ({ host: one.host, include_subdomains: one.includeSubdomains, spki_sha256: one.spki, expires_at: one.expiresAt }));
  return {
    refresh_seconds: rules.refreshSeconds, must_be_current: rules.mustBeCurrent, stale_after_seconds: rules.staleAfter,
    minimum_builds: Object.fromEntries(rules.minimumBuilds), features_off: rules.featuresOff, reactions: Object.fromEntries(reactions),
    pins, secrets: Object.fromEntries(rules.secrets), regions: Object.fromEntries(rules.regions),
  };
}

/** The vectors give the date of pins as it is written, and as a time. */
function withoutDates(due: Case): Case {
  return { ...due, pins: due.pins.map((one: Case) => ({ ...one, expires: undefined })).map((one: Case) => JSON.parse(JSON.stringify(one))) };
}

function pins(all: Case): void {
  for (const one of all.cases) {
    const rules = enforced(json({ format: 1, pins: one.pins }));
    same(one.case, rules === undefined ? null : chainIsGood(pinsOf(rules.pins, one.host, one.now), one.chain), one.good);
  }
}

function rootSets(all: Case): void {
  const builtIn = RootSet.read(json(all.built_in));
  for (const one of all.cases) {
    const start = builtIn === undefined ? undefined : alongChain(builtIn, one.held_version_chain, all.issuer, one.now, cryptography);
    same(one.case, start === undefined ? null : follow(start, one.offered, all.issuer, one.now, cryptography).version, one.version);
  }
  for (const one of all.built_in_sets ?? []) {
    same(one.case, RootSet.read(json(one.built_in)) !== undefined, one.good);
  }
}

function refusals(all: Case): void {
  for (const one of all.cases) {
    const answer = one.status === null ? undefined
      : new HttpAnswer(one.status, new Map(Object.entries(one.headers as Record<string, string>)), utf8(one.body));
    const step = nextStep(new Refusal(one.call as Call, one.method, answer, one.sent_at ?? 0, one.received_at ?? 0), one.refusals_in_a_row);
    const error = step.error === undefined ? null : Object.fromEntries(Object.keys(one.error ?? { code: 0, fault: 0, action: 0 }).map((name) =>
      [name, { code: step.error?.code, fault: step.error?.fault, action: step.error?.action, support_code: step.error?.supportCode, advice: step.error?.advice }[name]]));
    const wait = step.wait === undefined ? null : [step.wait.least, step.wait.most];
    same(one.case, { does: step.does, wait, error }, { does: one.does, wait: one.wait, error: one.error });
    if (one.home !== undefined) {
      same(one.case, step.home, one.home);
    }
  }
  for (const one of all.advice ?? []) {
    same(one.case, rejected(one.advice, '').action, one.action);
  }
}

function clockOffsets(all: Case): void {
  for (const one of all.cases) {
    const offset = clockOffset(one.date ?? undefined, one.sent_at, one.received_at);
    same(one.case, offset.kind === OffsetKind.TOO_LARGE ? 'too-large' : offset.kind === OffsetKind.KNOWN ? offset.seconds : null, one.offset);
  }
}

function tokenAnswers(all: Case): void {
  for (const one of all.cases) {
    const members = readObjectText(one.body);
    const minted = members === undefined ? undefined : mintedToken(members);
    const close = (name: 'renewFrom' | 'renewUntil', due: number): boolean => Math.abs((minted?.[name] ?? -1) - due) < 0.001;
    same(one.case, minted === undefined ? null : minted.seconds, one.usable === null ? null : one.usable.seconds);
    if (one.usable !== null) {
      same(one.case, [close('renewFrom', one.usable.renew_from), close('renewUntil', one.usable.renew_until)], [true, true]);
    }
  }
}

function waits(all: Case): void {
  for (const one of all.cases) {
    const wait = waitAfter(one.retry_after ?? undefined, one.refusals);
    same(one.case, [wait.least, wait.most], [one.least, one.most]);
  }
}

function sealedSecrets(all: Case): void {
  for (const one of [...all.opens, ...all.refused]) {
    const name = one.case ?? one.attack;
    let value: Uint8Array | undefined = undefined;
    const point = hexBytes(one.public_key);
    try {
      const own = crypto.createECDH('prime256v1');
      own.setPrivateKey(Buffer.from(one.private_key, 'hex'));
      value = openHpke(new Uint8Array(own.computeSecret(Buffer.from(one.enc, 'hex'))), hexBytes(one.enc), point, hexBytes(one.info), hexBytes(one.ciphertext), cryptography);
    } catch {
      value = undefined; // not a point of the curve: a key store agrees with no such key
    }
    same(name, value === undefined ? null : hex(value), one.value ?? null);
    const binding = one.binding;
    if (one.value !== undefined && binding !== undefined) {
      same(name, hex(bindingInfo(binding.issuer, binding.app, binding.key_id, binding.name, binding.version)), one.info);
    }
  }
}

const RUNNERS: Record<string, (all: Case) => void> = {
  'client-data.json': clientData, 'thumbprints.json': keys, 'key-ids.json': keys, 'signatures.json': signatures,
  'signed-bodies.json': signedBodies, 'proofs.json': proofs, 'client-policies.json': policies, 'pins.json': pins,
  'root-sets.json': rootSets, 'refusals.json': refusals, 'clock-offsets.json': clockOffsets,
  'token-answers.json': tokenAnswers, 'waits.json': waits, 'sealed-secrets.json': sealedSecrets,
};

const folder = process.argv[2] ?? 'vectors';
const wanted = process.argv.slice(3);
for (const name of Object.keys(RUNNERS).filter((one) => wanted.length === 0 || wanted.includes(one))) {
  file = name;
  const before = failed;
  run = 0;
  RUNNERS[name]?.(JSON.parse(readFileSync(join(folder, name), 'utf8')));
  if (failed === before) {
    console.log(`ok ${name} ${run} cases`);
  }
}
void (wanted.length === 0 ? runUnits() : Promise.resolve(0)).then((units) => process.exit(failed + units === 0 ? 0 : 1));
