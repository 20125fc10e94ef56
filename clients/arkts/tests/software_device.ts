/** A HarmonyOS device in software: keys in a file, evidence from the evidence service, and a clock of its own. */
import * as crypto from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { base64url } from '../core/bytes';
import { Attester, Chance, Clock, DeviceEvidence, HttpAnswer, HttpRequest, KeyFailure, KeyStore, ProcessLock, RecordStore, Transport, TransportFailure } from '../core/platform';
import { publicKeyOf } from './node_cryptography';

/** Virtual time: only `advance` and sleeps move it. */
export class VirtualClock implements Clock {
  constructor(public now: number, private readonly offset: number, private readonly monotonicStart: number, private readonly begin: number = now) {}

  wall(): number {
    return this.now + this.offset;
  }

  monotonic(): number {
    return this.now - this.begin + this.monotonicStart;
  }

  async sleep(seconds: number): Promise<void> {
    this.now += seconds;
    await Promise.resolve();
  }
}

/** The clock of the machine, for the live stack. */
export class RealClock implements Clock {
  wall(): number {
    return Date.now() / 1000;
  }

  monotonic(): number {
    return performance.now() / 1000;
  }

  sleep(seconds: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  }
}

/** mulberry32: the same draws for the same seed. */
export class SeededChance implements Chance {
  constructor(private state: number) {}

  draw(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }
}

/** HTTP by Node: no redirects, no cookies, no cache. `extra` are the kit's own headers. */
export class NodeTransport implements Transport {
  private inFlight = 0;

  constructor(private readonly extra: () => Record<string, string> = () => ({})) {}

  async send(request: HttpRequest): Promise<HttpAnswer> {
    this.inFlight++;
    try {
      return await exchange(request, this.extra());
    } finally {
      this.inFlight--;
    }
  }

  /** Wait until nothing is under way: what the library does beside a call has ended, too. */
  async settled(): Promise<void> {
    for (let quiet = 0; quiet < 5; quiet++) {
      await new Promise((resolve) => setImmediate(resolve));
      quiet = this.inFlight > 0 ? -1 : quiet;
    }
  }
}

function exchange(request: HttpRequest, extra: Record<string, string>): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const failed = (): void => reject(new TransportFailure());
    const open = request.url.startsWith('https:') ? httpsRequest : httpRequest;
    const sent = open(request.url, { method: request.method, headers: { ...Object.fromEntries(request.headers), ...extra }, agent: false, timeout: request.timeout * 1000 }, (answer) => {
      const pieces: Buffer[] = [];
      let length = 0;
      const done = (cut: boolean): void => resolve(new HttpAnswer(answer.statusCode ?? 0, headersOf(answer.rawHeaders), new Uint8Array(Buffer.concat(pieces).subarray(0, request.limit)), cut));
      answer.on('data', (piece: Buffer) => {
        pieces.push(piece);
        length += piece.length;
        if (length > request.limit) {
          done(true);
          sent.destroy();
        }
      });
      answer.on('end', () => (answer.complete ? done(false) : failed()));
      answer.on('error', failed);
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', failed);
    sent.end(request.body === undefined ? undefined : Buffer.from(request.body));
  });
}

function headersOf(raw: string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    headers.set((raw[i] ?? '').toLowerCase(), raw[i + 1] ?? '');
  }
  return headers;
}

/** Keys in a file. `broken` is the beacon code with which every use fails; empty for a sound key store. */
export class SoftwareKeys implements KeyStore {
  broken = '';

  constructor(private readonly path: string) {}

  async createSigningKey(alias: string): Promise<Uint8Array> {
    return this.create(alias);
  }

  async createSealingKey(alias: string): Promise<Uint8Array> {
    return this.create(alias);
  }

  async find(alias: string): Promise<Uint8Array | undefined> {
    const key = this.load()[alias];
    return key === undefined ? undefined : pointOf(crypto.createPublicKey(key));
  }

  async sign(alias: string, message: Uint8Array): Promise<Uint8Array> {
    return new Uint8Array(crypto.sign('sha256', message, { key: this.key(alias), dsaEncoding: 'ieee-p1363' }));
  }

  async agree(alias: string, point: Uint8Array): Promise<Uint8Array> {
    return new Uint8Array(crypto.diffieHellman({ privateKey: crypto.createPrivateKey(this.key(alias)), publicKey: publicKeyOf(point) }));
  }

  async remove(alias: string): Promise<void> {
    const keys = this.load();
    delete keys[alias];
    this.store(keys);
  }

  /** All keys are gone, as after a restore of another phone's backup. */
  lose(): void {
    writeFileSync(this.path, '{}');
  }

  private create(alias: string): Uint8Array {
    const keys = this.load();
    const pair = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
    keys[alias] = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    this.store(keys);
    return pointOf(pair.publicKey);
  }

  private key(alias: string): string {
    const key = this.load()[alias];
    if (key === undefined) {
      throw new KeyFailure('key-lost');
    }
    return key;
  }

  private load(): Record<string, string> {
    if (this.broken !== '') {
      throw new KeyFailure(this.broken);
    }
    return existsSync(this.path) ? (JSON.parse(readFileSync(this.path, 'utf8')) as Record<string, string>) : {};
  }

  private store(keys: Record<string, string>): void {
    writeFileSync(this.path, JSON.stringify(keys));
  }
}

function pointOf(key: crypto.KeyObject): Uint8Array {
  return new Uint8Array(key.export({ type: 'spki', format: 'der' }).subarray(-65));
}

/** Evidence from the evidence service, which stands for HUKS's attestation and the Device Security Kit. */
export class ServiceAttester implements Attester {
  constructor(private readonly url: string, private readonly app: string, private readonly appBuild: string, private readonly keys: SoftwareKeys,
    private readonly transport: Transport) {}

  async attestKey(alias: string, hash: Uint8Array): Promise<Uint8Array[]> {
    const point = await this.keys.find(alias);
    if (point === undefined) {
      throw new KeyFailure('key-lost');
    }
    const jwk = publicKeyOf(point).export({ format: 'jwk' });
    const answer = await this.ask('/harmony', { public_key: jwk, challenge_hash: base64url(hash), app: this.app, app_build: this.appBuild, purpose: 'sign' });
    return (answer['certificate_chain'] as string[]).map((one) => new Uint8Array(Buffer.from(one, 'base64url')));
  }

  async attestDevice(hash: Uint8Array): Promise<DeviceEvidence | undefined> {
    const answer = await this.ask('/harmony/integrity', { client_data_hash: base64url(hash), app: this.app });
    return new DeviceEvidence(String(answer['profile']), String(answer['integrity_token']));
  }

  private async ask(path: string, members: Record<string, unknown>): Promise<Record<string, unknown>> {
    if (this.keys.broken !== '') {
      throw new KeyFailure(this.keys.broken);
    }
    const request = new HttpRequest('POST', this.url + path);
    request.headers.set('Content-Type', 'application/json');
    request.body = new Uint8Array(Buffer.from(JSON.stringify(members)));
    const answer = await this.transport.send(request, []);
    if (answer.status !== 200) {
      throw new KeyFailure('attestation-failed');
    }
    return JSON.parse(Buffer.from(answer.body).toString('utf8')) as Record<string, unknown>;
  }
}

/** The record in a file that is replaced as a whole. */
export class FileRecords implements RecordStore {
  private readonly path: string;

  constructor(folder: string) {
    this.path = join(folder, 'record.json');
  }

  async load(): Promise<string | undefined> {
    return existsSync(this.path) ? readFileSync(this.path, 'utf8') : undefined;
  }

  async save(record: string): Promise<void> {
    writeFileSync(this.path + '.new', record);
    renameSync(this.path + '.new', this.path);
  }
}

/** One process has no others to wait for. */
export class NoLock implements ProcessLock {
  run(work: () => Promise<void>): Promise<void> {
    return work();
  }
}
