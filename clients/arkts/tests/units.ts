/** What no vector and no scenario looks at from close by. Run with all vectors: a line for each failure, or `ok units`. */
import { Code } from '../core/app_error';
import { Backoff } from '../core/backoff';
import { RequestBudget, attestationSpent, attestationWait } from '../core/budget';
import { base64, base64url, fromBase64, fromBase64url, fromUtf8, utf8 } from '../core/bytes';
import { BonafideError, Settings } from '../core/index';
import { readObjectText } from '../core/json';
import { InstallRecord } from '../core/record';
import { ServerClock } from '../core/server_clock';
import { Wait } from '../core/waits';
import { unavailable } from '../core/app_error';
import { VirtualClock } from './software_device';

const ROOTS = '{"version":1,"roots":[{"kty":"EC","crv":"P-256","x":"Bj0i45NL7eheCRI3XLREZF5VN8AzaQw4HjQ-V-O7rZs","y":"ICyqlg45TAIqVfeS6_K0L6B8ZcfobMbEdaNdXhCxOpo"}]}';

type Check = () => boolean | Promise<boolean>;

function settled(verifier: string, guarded: string, home = 'home', roots = ROOTS): string {
  try {
    Settings.of('demo', 'demo-stack', roots, new Map([['home', verifier]]), home, [guarded]);
    return '';
  } catch (error) {
    return error instanceof BonafideError ? error.code : 'other';
  }
}

async function told(pass: Promise<void>): Promise<BonafideError | undefined> {
  try {
    await pass;
    return undefined;
  } catch (error) {
    return error as BonafideError;
  }
}

const GOOD = 'https://verifier.example.com';
const API = 'https://api.example.com';

const CHECKS: Record<string, Check> = {
  'bytes go to base64 and back': () => [0, 1, 2, 3, 4, 61].every((length) => {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 37) & 255);
    return Buffer.from(bytes).toString('base64') === base64(bytes) && Buffer.from(fromBase64(base64(bytes)) ?? []).equals(Buffer.from(bytes)) &&
      Buffer.from(bytes).toString('base64url') === base64url(bytes);
  }),
  'base64url has one spelling': () => ['AA=', 'A', 'AB', 'A+', 'A A', 'AA\n'].every((text) => fromBase64url(text) === undefined),
  'UTF-8 as the platform writes it': () => ['', 'ünï', '📱', '\ud800', 'a\udc00b'].every((text) => Buffer.from(utf8(text)).equals(Buffer.from(text))),
  'UTF-8 that is none': () => ['c080', 'eda080', 'f4908080', 'e282', 'ff'].every((one) => fromUtf8(new Uint8Array(Buffer.from(one, 'hex'))) === undefined),
  'JSON that is none': () => ['{"a":01}', '{"a":1}}', '{"a":1,}', "{'a':1}", '{"a":"\n"}', '{"a":.5}', '[' .repeat(100), '{"a":1e999}x'].every((text) => readObjectText(text) === undefined),
  'JSON nested too deep': () => readObjectText('{"a":' + '['.repeat(5000) + ']'.repeat(5000) + '}') === undefined,
  'settings that are good': () => settled(GOOD, API) === '' && settled('http://127.0.0.1:80', 'http://127.0.0.1:81') === '',
  'settings by plain http': () => settled('http://verifier.example.com', API) === Code.MISCONFIGURED && settled(GOOD, 'http://api.example.com') === Code.MISCONFIGURED,
  'settings for a host that begins like the loopback': () => settled('http://127.0.0.1.evil.example', API) === Code.MISCONFIGURED,
  'settings without a home': () => settled(GOOD, API, 'elsewhere') === Code.MISCONFIGURED,
  'settings without roots': () => settled(GOOD, API, 'home', '{"version":1,"roots":[]}') === Code.MISCONFIGURED,
  'a record goes to text and back': () => {
    const record = new InstallRecord();
    record.keyId = 'key';
    record.enrolled = true;
    record.newestPolicy = 7;
    record.attestedAt = [1.5, 2];
    record.rootSets = ['a.b.c'];
    record.secrets.set('maps-key', 3);
    return InstallRecord.read(record.write()).write() === record.write();
  },
  'a record of another version is none': () => InstallRecord.read('{"record":2,"key_id":"key"}').keyId === '',
  'a record that an attacker cut is none': () => InstallRecord.read('{"record":1,"key_id":"k').keyId === '',
  'a record holds no token': () => !new InstallRecord().write().includes('token'),
  'ten requests a minute': () => {
    const budget = new RequestBudget();
    for (let i = 0; i < 10; i++) {
      budget.spend(100 + i);
    }
    return budget.wait(110) === 50 && budget.wait(160) === 0;
  },
  'sixty requests an hour, more where tokens are short': () => {
    const budget = new RequestBudget();
    for (let i = 0; i < 60; i++) {
      budget.spend(i * 30);
    }
    const waits = budget.wait(1860) > 0;
    budget.tokenSeconds = 60;
    return waits && budget.wait(1860) === 0;
  },
  'three enrolments an hour, ten a day': () => {
    let times: number[] = [];
    for (let i = 0; i < 3; i++) {
      times = attestationSpent(times, 1000 + i);
    }
    const hour = attestationWait(times, 1010) > 0 && attestationWait(times, 4700) === 0;
    for (let i = 0; i < 7; i++) {
      times = attestationSpent(times, 5000 + i * 3000);
    }
    return hour && attestationWait(times, 30000) > 0;
  },
  'enrolments of a clock that was set back do not lock out': () => attestationWait([9e9, 9e9, 9e9], 1000) === 0,
  'callers wait together': async () => {
    const clock = new VirtualClock(1.79e9, 0, 1000);
    const backoff = new Backoff(clock, { draw: () => 0.5 });
    backoff.refused(new Wait(10, 20), unavailable());
    await Promise.all([backoff.pass(1100), backoff.pass(1100), backoff.pass(1100)]);
    return clock.monotonic() > 1014.9 && clock.monotonic() < 1016;
  },
  'a caller without patience is told at once': async () => {
    const clock = new VirtualClock(1.79e9, 0, 1000);
    const backoff = new Backoff(clock, { draw: () => 0 });
    backoff.refused(new Wait(50, 60), unavailable());
    const error = await told(backoff.pass(1030));
    return error?.code === Code.UNAVAILABLE && Math.abs((error.retryAfter ?? 0) - 50) < 0.01 && clock.monotonic() === 1000;
  },
  'a clock that the user has set is noticed': () => {
    const clock = new VirtualClock(1.79e9, 0, 1000);
    let offset = 2 * 86400;
    const wall = { wall: () => clock.wall() + offset, monotonic: () => clock.monotonic(), sleep: (s: number) => clock.sleep(s) };
    const server = new ServerClock(wall);
    server.learn(new Date(1.79e12).toUTCString(), wall.wall(), wall.wall());
    const before = server.tooWrong();
    offset = 30;
    return before && !server.tooWrong() && Math.abs(server.now() - 1.79e9) < 1;
  },
};

/** Run them all. How many failed. */
export async function runUnits(): Promise<number> {
  let failed = 0;
  for (const [name, check] of Object.entries(CHECKS)) {
    if (!(await check())) {
      failed++;
      console.log(`FAILED units: ${name}`);
    }
  }
  if (failed === 0) {
    console.log(`ok units ${Object.keys(CHECKS).length} cases`);
  }
  return failed;
}
