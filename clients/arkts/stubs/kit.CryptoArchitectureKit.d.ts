/** What the adapters use of the Crypto Architecture Kit, written from its documentation. */
export namespace cryptoFramework {
  interface DataBlob { data: Uint8Array; }
  interface Md { updateSync(input: DataBlob): void; digestSync(): DataBlob; }
  interface Key { algName: string; }
  interface SymKey extends Key { format: string; }
  interface PubKey extends Key { format: string; }
  interface KeyPair { pubKey: PubKey; }
  interface SymKeyGenerator { convertKeySync(key: DataBlob): SymKey; }
  interface AsyKeyGenerator { convertKeySync(pubKey: DataBlob | null, priKey: DataBlob | null): KeyPair; }
  interface Mac { initSync(key: SymKey): void; updateSync(input: DataBlob): void; doFinalSync(): DataBlob; }
  interface ParamsSpec { algName: string; }
  interface GcmParamsSpec extends ParamsSpec { iv: DataBlob; aad: DataBlob; authTag: DataBlob; }
  enum CryptoMode { ENCRYPT_MODE, DECRYPT_MODE }
  interface Cipher { initSync(mode: CryptoMode, key: Key, params: ParamsSpec | null): void; doFinalSync(data: DataBlob | null): DataBlob; }
  interface Verify { initSync(key: PubKey): void; updateSync(data: DataBlob): void; verifySync(data: DataBlob | null, signature: DataBlob): boolean; }
  interface Random { generateRandomSync(length: number): DataBlob; }
  function createMd(algName: string): Md;
  function createMac(algName: string): Mac;
  function createSymKeyGenerator(algName: string): SymKeyGenerator;
  function createAsyKeyGenerator(algName: string): AsyKeyGenerator;
  function createCipher(transformation: string): Cipher;
  function createVerify(algName: string): Verify;
  function createRandom(): Random;
}
