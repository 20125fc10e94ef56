/** What the adapters use of the Ability Kit, written from its documentation. */
export namespace common {
  interface Context { filesDir: string; }
}
export namespace bundleManager {
  enum BundleFlag { GET_BUNDLE_INFO_DEFAULT }
  interface BundleInfo { versionCode: number; }
  function getBundleInfoForSelfSync(bundleFlags: number): BundleInfo;
}
