import Bonafide
import COpenSSL
import Foundation

/// The core's cryptography by OpenSSL, and P-256 private keys. For tests: keys are in memory and in files.
public struct OpenSSL: Cryptography {
    public init() {}

    public func sha256(_ message: Data) -> Data {
        var digest = [UInt8](repeating: 0, count: 32)
        _ = EVP_Digest([UInt8](message), message.count, &digest, nil, EVP_sha256(), nil)
        return Data(digest)
    }

    public func hmacSHA256(key: Data, message: Data) -> Data {
        var code = [UInt8](repeating: 0, count: 32)
        _ = HMAC(EVP_sha256(), [UInt8](key), Int32(key.count), [UInt8](message), message.count, &code, nil)
        return Data(code)
    }

    public func openAES256GCM(key: Data, nonce: Data, sealed: Data) -> Data? {
        guard key.count == 32, nonce.count == 12, sealed.count >= 16, let context = EVP_CIPHER_CTX_new() else { return nil }
        defer { EVP_CIPHER_CTX_free(context) }
        let text = [UInt8](sealed.dropLast(16))
        var tag = [UInt8](sealed.suffix(16))
        var output = [UInt8](repeating: 0, count: text.count + 16)
        var length: Int32 = 0
        guard EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), nil, [UInt8](key), [UInt8](nonce)) == 1,
            EVP_DecryptUpdate(context, &output, &length, text, Int32(text.count)) == 1,
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, &tag) == 1
        else { return nil }
        var rest: Int32 = 0
        guard EVP_DecryptFinal_ex(context, &output[Int(length)], &rest) == 1 else { return nil }
        return Data(output.prefix(Int(length + rest)))
    }

    public func isPoint(_ point: Data) -> Bool {
        guard let key = Self.publicKey(point) else { return false }
        EVP_PKEY_free(key)
        return true
    }

    public func verifies(_ signature: Data, message: Data, point: Data) -> Bool {
        guard signature.count == 64, let key = Self.publicKey(point) else { return false }
        defer { EVP_PKEY_free(key) }
        guard let context = EVP_MD_CTX_new() else { return false }
        defer { EVP_MD_CTX_free(context) }
        let der = [UInt8](Self.der(signature))
        return EVP_DigestVerifyInit(context, nil, EVP_sha256(), nil, key) == 1
            && EVP_DigestVerify(context, der, der.count, [UInt8](message), message.count) == 1
    }

    /// SubjectPublicKeyInfo of a P-256 key, before its point.
    private static let prefix: [UInt8] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE,
        0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ]

    static func publicKey(_ point: Data) -> OpaquePointer? {
        let der = prefix + [UInt8](point)
        return der.withUnsafeBufferPointer { bytes in
            var start = bytes.baseAddress
            return d2i_PUBKEY(nil, &start, bytes.count)
        }
    }

    private static func der(_ raw: Data) -> Data {
        func integer(_ number: Data) -> Data {
            var bytes = [UInt8](number.drop { $0 == 0 })
            if bytes.isEmpty || bytes[0] >= 0x80 { bytes.insert(0, at: 0) }
            return Data([0x02, UInt8(bytes.count)] + bytes)
        }
        let numbers = integer(raw.prefix(32)) + integer(raw.suffix(32))
        return Data([0x30, UInt8(numbers.count)]) + numbers
    }
}

/// A P-256 private key by its scalar.
public struct SoftwareKey: Sendable {
    public let scalar: Data
    public let point: Data

    public static func random() -> SoftwareKey {
        while true {
            var bytes = [UInt8](repeating: 0, count: 32)
            _ = RAND_bytes(&bytes, 32)
            if let key = SoftwareKey(scalar: Data(bytes)) { return key }
        }
    }

    /// `nil` for a number that is no private key.
    public init?(scalar: Data) {
        guard scalar.count == 32, let key = Self.load(scalar) else { return nil }
        defer { EVP_PKEY_free(key) }
        var output: UnsafeMutablePointer<UInt8>?
        let length = i2d_PUBKEY(key, &output)
        guard length >= 65, let output else { return nil }
        self.scalar = scalar
        point = Data(UnsafeBufferPointer(start: output, count: Int(length)).suffix(65))
        CRYPTO_free(output, nil, 0)
    }

    /// ECPrivateKey (RFC 5915) without the public half, which OpenSSL computes.
    private static func load(_ scalar: Data) -> OpaquePointer? {
        let der: [UInt8] = [0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20] + [UInt8](scalar)
            + [0xA0, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]
        return der.withUnsafeBufferPointer { bytes in
            var start = bytes.baseAddress
            return d2i_AutoPrivateKey(nil, &start, bytes.count)
        }
    }

    func loaded() -> OpaquePointer? { Self.load(scalar) }

    /// DER, as a key store gives it.
    public func sign(_ message: Data) -> Data? {
        guard let key = Self.load(scalar), let context = EVP_MD_CTX_new() else { return nil }
        defer {
            EVP_PKEY_free(key)
            EVP_MD_CTX_free(context)
        }
        var signature = [UInt8](repeating: 0, count: 80)
        var length = signature.count
        guard EVP_DigestSignInit(context, nil, EVP_sha256(), nil, key) == 1,
            EVP_DigestSign(context, &signature, &length, [UInt8](message), message.count) == 1
        else { return nil }
        return Data(signature.prefix(length))
    }

    public func agree(with point: Data) -> Data? {
        guard let key = Self.load(scalar), let peer = OpenSSL.publicKey(point), let context = EVP_PKEY_CTX_new(key, nil)
        else { return nil }
        defer {
            EVP_PKEY_free(key)
            EVP_PKEY_free(peer)
            EVP_PKEY_CTX_free(context)
        }
        var secret = [UInt8](repeating: 0, count: 32)
        var length = secret.count
        guard EVP_PKEY_derive_init(context) == 1, EVP_PKEY_derive_set_peer(context, peer) == 1,
            EVP_PKEY_derive(context, &secret, &length) == 1, length == 32
        else { return nil }
        return Data(secret)
    }
}
