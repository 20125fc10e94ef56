#if canImport(Security)
import Bonafide
import Foundation
import Security

/// The record in the keychain: on this device only, in no backup, readable after the first unlock. It survives the app's
/// removal, as all of the keychain does; docs/clients/ios.md says what follows.
public struct KeychainStorage: Storage {
    private let account: String
    private let group: String?
    private let lock: FileLock?

    /// - Parameters:
    ///   - account: tells several apps of one team apart: the app's registered name.
    ///   - group: a keychain access group that the app shares with its extensions.
    ///   - lock: what keeps their changes apart.
    public init(account: String, group: String?, lock: FileLock?) {
        self.account = account
        self.group = group
        self.lock = lock
    }

    public func load() throws(StorageFailure) -> Data? {
        var query = item
        query[kSecReturnData as String] = true
        query[kSecMatchLimit as String] = kSecMatchLimitOne
        var found: CFTypeRef?
        let status = SecItemCopyMatching(query as CFDictionary, &found)
        if status == errSecItemNotFound { return nil }
        guard status == errSecSuccess, let data = found as? Data else { throw Self.failure(status) }
        return data
    }

    public func change(_ change: (Data?) -> Data) throws(StorageFailure) {
        lock?.block()
        defer { lock?.unblock() }
        let record = change(try load())
        var status = SecItemUpdate(item as CFDictionary, [kSecValueData as String: record] as CFDictionary)
        if status == errSecItemNotFound {
            var added = item
            added[kSecAttrAccessible as String] = kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly
            added[kSecValueData as String] = record
            status = SecItemAdd(added as CFDictionary, nil)
        }
        guard status == errSecSuccess else { throw Self.failure(status) }
    }

    private var item: [String: Any] {
        var item: [String: Any] = [
            kSecClass as String: kSecClassGenericPassword,
            kSecAttrService as String: "bonafide",
            kSecAttrAccount as String: account,
            kSecUseDataProtectionKeychain as String: true,
        ]
        if let group { item[kSecAttrAccessGroup as String] = group }
        return item
    }

    private static func failure(_ status: OSStatus) -> StorageFailure {
        StorageFailure(isLocked: status == errSecInteractionNotAllowed)
    }
}
#endif
