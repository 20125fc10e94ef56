#if canImport(CryptoKit) && canImport(Security)
import Bonafide
import CryptoKit
import Foundation
import Security

/// The request key and the sealing key, in the Secure Enclave: usable after the first unlock since the device started,
/// without a person, so that background work can sign. A handle is the enclave's own wrapping of the key; on another
/// device it opens nothing.
public struct SecureEnclaveKeys: EnclaveKeys {
    public init() {}

    public func makeSigningKey() throws(DeviceFailure) -> StoredKey {
        do {
            let key = try SecureEnclave.P256.Signing.PrivateKey(accessControl: Self.accessControl())
            return StoredKey(handle: key.dataRepresentation, point: key.publicKey.x963Representation)
        } catch { throw Self.failure(error, otherwise: .keyGenerationFailed) }
    }

    public func sign(_ message: Data, with handle: Data) throws(DeviceFailure) -> Data {
        let key: SecureEnclave.P256.Signing.PrivateKey
        do { key = try .init(dataRepresentation: handle) } catch { throw Self.failure(error, otherwise: .keyLost) }
        do { return try key.signature(for: message).rawRepresentation } catch {
            throw Self.failure(error, otherwise: .signingFailed)
        }
    }

    public func makeSealingKey() throws(DeviceFailure) -> StoredKey {
        do {
            let key = try SecureEnclave.P256.KeyAgreement.PrivateKey(accessControl: Self.accessControl())
            return StoredKey(handle: key.dataRepresentation, point: key.publicKey.x963Representation)
        } catch { throw Self.failure(error, otherwise: .keyGenerationFailed) }
    }

    public func agree(with point: Data, handle: Data) throws(DeviceFailure) -> Data {
        let key: SecureEnclave.P256.KeyAgreement.PrivateKey
        do { key = try .init(dataRepresentation: handle) } catch { throw Self.failure(error, otherwise: .keyLost) }
        do {
            let peer = try P256.KeyAgreement.PublicKey(x963Representation: point)
            return try key.sharedSecretFromKeyAgreement(with: peer).withUnsafeBytes { Data($0) }
        } catch { throw Self.failure(error, otherwise: .signingFailed) }
    }

    private static func accessControl() throws(DeviceFailure) -> SecAccessControl {
        let protection = kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly as CFTypeRef
        guard SecureEnclave.isAvailable,
            let control = SecAccessControlCreateWithFlags(nil, protection, .privateKeyUsage, nil)
        else { throw DeviceFailure(.keyGenerationFailed) }
        return control
    }

    private static func failure(_ error: any Error, otherwise code: DeviceFailure.Code) -> DeviceFailure {
        if let failure = error as? DeviceFailure { return failure }
        let cause = error as NSError
        if cause.domain == "com.apple.LocalAuthentication" { return DeviceFailure(.keyLocked) }
        switch OSStatus(truncatingIfNeeded: cause.code) {
        case errSecInteractionNotAllowed: return DeviceFailure(.keyLocked)
        case errSecAuthFailed, errSecItemNotFound: return DeviceFailure(.keyInvalidated)
        default: return DeviceFailure(code)
        }
    }
}

/// The core's cryptography by CryptoKit.
public struct CryptoKitCryptography: Cryptography {
    public init() {}

    public func sha256(_ message: Data) -> Data { Data(SHA256.hash(data: message)) }

    public func hmacSHA256(key: Data, message: Data) -> Data {
        Data(HMAC<SHA256>.authenticationCode(for: message, using: SymmetricKey(data: key)))
    }

    public func openAES256GCM(key: Data, nonce: Data, sealed: Data) -> Data? {
        guard sealed.count >= 16, let nonce = try? AES.GCM.Nonce(data: nonce),
            let box = try? AES.GCM.SealedBox(nonce: nonce, ciphertext: sealed.dropLast(16), tag: sealed.suffix(16))
        else { return nil }
        return try? AES.GCM.open(box, using: SymmetricKey(data: key))
    }

    public func isPoint(_ point: Data) -> Bool { (try? P256.Signing.PublicKey(x963Representation: point)) != nil }

    public func verifies(_ signature: Data, message: Data, point: Data) -> Bool {
        guard let key = try? P256.Signing.PublicKey(x963Representation: point),
            let signature = try? P256.Signing.ECDSASignature(rawRepresentation: signature)
        else { return false }
        return key.isValidSignature(signature, for: message)
    }
}
#endif
