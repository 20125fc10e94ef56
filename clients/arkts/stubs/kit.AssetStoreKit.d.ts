/** What the adapters use of the Asset Store Kit, written from its documentation. */
export namespace asset {
  enum Tag { SECRET, ALIAS, ACCESSIBILITY, SYNC_TYPE, CONFLICT_RESOLUTION, RETURN_TYPE }
  enum Accessibility { DEVICE_FIRST_UNLOCKED }
  enum SyncType { NEVER }
  enum ConflictResolution { OVERWRITE }
  enum ReturnType { ALL }
  type Value = boolean | number | Uint8Array;
  type AssetMap = Map<Tag, Value>;
  function add(attributes: AssetMap): Promise<void>;
  function query(query: AssetMap): Promise<AssetMap[]>;
}
