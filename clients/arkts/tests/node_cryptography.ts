/** Node's cryptography behind the core's interface. */
import * as crypto from 'node:crypto';
import { Cryptography } from '../core/platform';

/** RFC 5480's header of a P-256 key in SubjectPublicKeyInfo, up to the point. */
const SPKI_HEADER = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex');

export function publicKeyOf(point: Uint8Array): crypto.KeyObject {
  return crypto.createPublicKey({ key: Buffer.concat([SPKI_HEADER, point]), format: 'der', type: 'spki' });
}

export class NodeCryptography implements Cryptography {
  sha256(data: Uint8Array): Uint8Array {
    return new Uint8Array(crypto.createHash('sha256').update(data).digest());
  }

  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
    return new Uint8Array(crypto.createHmac('sha256', key).update(data).digest());
  }

  verifies(point: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    return crypto.verify('sha256', message, { key: publicKeyOf(point), dsaEncoding: 'ieee-p1363' }, signature);
  }

  openAesGcm(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    if (sealed.length < 16) {
      return undefined;
    }
    const decipher = crypto.createDecipheriv('aes-256-gcm', key, nonce);
    decipher.setAuthTag(sealed.subarray(sealed.length - 16));
    try {
      return new Uint8Array(Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - 16)), decipher.final()]));
    } catch {
      return undefined;
    }
  }

  random(length: number): Uint8Array {
    return new Uint8Array(crypto.randomBytes(length));
  }
}
