import Foundation

/// The key that a platform attests: on Apple's platforms App Attest. All calls may take seconds.
public protocol AttestedKeys: Sendable {
    /// Make a key; its name is standard base64 of 32 bytes, as `DCAppAttestService.generateKey` gives it.
    func make() async throws(DeviceFailure) -> String
    /// Attest a key, once in its life.
    func attest(_ name: String, clientDataHash: Data) async throws(DeviceFailure) -> Data
    /// Sign with it. Its counter grows with each call, in whichever process.
    func assert(_ name: String, clientDataHash: Data) async throws(DeviceFailure) -> Data
}

/// A key in the Secure Enclave: what finds it again, and its public half. `handle` is useless on another device.
public struct StoredKey: Sendable, Equatable {
    public let handle: Data
    /// The uncompressed P-256 point, 65 bytes.
    public let point: Data

    public init(handle: Data, point: Data) {
        self.handle = handle
        self.point = point
    }
}

/// The keys that sign requests (ES256) and open secrets (ECDH). One key never does both.
public protocol EnclaveKeys: Sendable {
    func makeSigningKey() throws(DeviceFailure) -> StoredKey
    /// R‖S, 64 bytes, over SHA-256 of the message.
    func sign(_ message: Data, with handle: Data) throws(DeviceFailure) -> Data
    func makeSealingKey() throws(DeviceFailure) -> StoredKey
    /// The shared secret (the x coordinate, 32 bytes) with a point that is on the curve.
    func agree(with point: Data, handle: Data) throws(DeviceFailure) -> Data
}

/// Why a platform's key store did not do what it was asked: a code of docs/attestation-failures.md.
public struct DeviceFailure: Error, Sendable, Equatable {
    public enum Code: String, Sendable, CaseIterable {
        case appAttestNotSupported = "app-attest-not-supported"
        case appAttestInExtension = "app-attest-in-extension"
        case simulator
        case osTooOld = "os-too-old"
        case keyGenerationFailed = "key-generation-failed"
        case attestationFailed = "attestation-failed"
        case keyLost = "key-lost"
        case keyInvalidated = "key-invalidated"
        case keyLocked = "key-locked"
        case signingFailed = "signing-failed"
        case storageFailed = "storage-failed"
        case vendorUnreachable = "vendor-unreachable"
        case vendorQuota = "vendor-quota"
        case vendorError = "vendor-error"
        case verifierUnreachable = "verifier-unreachable"
        case timeout
        case clockWrong = "clock-wrong"
        case appMisconfigured = "app-misconfigured"
        case other
    }

    public let code: Code

    public init(_ code: Code) { self.code = code }
}
