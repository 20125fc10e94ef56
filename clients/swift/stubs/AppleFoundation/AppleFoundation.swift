// What the adapters use of Foundation and Darwin that Foundation for Linux does not have, from Apple's documentation:
// for type checks on Linux, never part of an app.
import Foundation
import FoundationNetworking
import Security

extension ProcessInfo {
    public func performExpiringActivity(withReason reason: String, using block: @escaping @Sendable (Bool) -> Void) {}
}

extension FileManager {
    public func containerURL(forSecurityApplicationGroupIdentifier groupIdentifier: String) -> URL? { nil }
}

extension URLProtectionSpace {
    public var serverTrust: SecTrust? { nil }
}

extension URLCredential {
    public convenience init(trust: SecTrust) { self.init(user: "", password: "", persistence: .none) }
}

public func clock_gettime_nsec_np(_ clock: Int32) -> UInt64 { 0 }

public func sysctlbyname(
    _ name: String, _ value: UnsafeMutableRawPointer?, _ size: UnsafeMutablePointer<Int>?,
    _ newValue: UnsafeMutableRawPointer?, _ newSize: Int
) -> Int32 { -1 }
