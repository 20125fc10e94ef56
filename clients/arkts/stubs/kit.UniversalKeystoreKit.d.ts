/** What the adapters use of HUKS, written from its documentation. */
export namespace huks {
  enum HuksTag {
    HUKS_TAG_ALGORITHM, HUKS_TAG_KEY_SIZE, HUKS_TAG_PURPOSE, HUKS_TAG_DIGEST, HUKS_TAG_ATTESTATION_CHALLENGE,
    HUKS_TAG_DERIVED_AGREED_KEY_STORAGE_FLAG,
  }
  enum HuksKeyAlg { HUKS_ALG_ECC, HUKS_ALG_ECDH }
  enum HuksKeySize { HUKS_ECC_KEY_SIZE_256 }
  enum HuksKeyPurpose { HUKS_KEY_PURPOSE_SIGN, HUKS_KEY_PURPOSE_VERIFY, HUKS_KEY_PURPOSE_AGREE }
  enum HuksKeyDigest { HUKS_DIGEST_SHA256 }
  enum HuksKeyStorageType { HUKS_STORAGE_KEY_EXPORT_ALLOWED }
  interface HuksParam { tag: HuksTag; value: boolean | number | bigint | Uint8Array; }
  interface HuksOptions { properties?: HuksParam[]; inData?: Uint8Array; }
  interface HuksSessionHandle { handle: number; }
  interface HuksReturnResult { outData?: Uint8Array; certChains?: string[]; }
  function generateKeyItem(keyAlias: string, options: HuksOptions): Promise<void>;
  function deleteKeyItem(keyAlias: string, options: HuksOptions): Promise<void>;
  function isKeyItemExist(keyAlias: string, options: HuksOptions): Promise<boolean>;
  function exportKeyItem(keyAlias: string, options: HuksOptions): Promise<HuksReturnResult>;
  function anonAttestKeyItem(keyAlias: string, options: HuksOptions): Promise<HuksReturnResult>;
  function initSession(keyAlias: string, options: HuksOptions): Promise<HuksSessionHandle>;
  function updateSession(handle: number, options: HuksOptions): Promise<HuksReturnResult>;
  function finishSession(handle: number, options: HuksOptions): Promise<HuksReturnResult>;
}
