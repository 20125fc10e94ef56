import Foundation

/// Opens secrets: HPKE (RFC 9180) in base mode, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, one message.
///
/// Written out because CryptoKit has HPKE from iOS 17 on, and this library goes back to 15.
package struct SealedSecret: Sendable {
    private static let kem = Data("KEM".utf8) + [0x00, 0x10]
    private static let suite = Data("HPKE".utf8) + [0x00, 0x10, 0x00, 0x01, 0x00, 0x02]
    private static let tagBytes = 16

    package let enc: Data
    package let ciphertext: Data

    package init(enc: Data, ciphertext: Data) {
        self.enc = enc
        self.ciphertext = ciphertext
    }

    /// What a secret is bound to (docs/secrets.md). HPKE opens whatever it is given, so nothing of this but the version
    /// may come from the answer.
    package static func info(issuer: String, app: String, keyID: String, name: String, version: Int64) -> Data {
        var info = Data("bonafide sealed secret v1".utf8)
        for text in [issuer, app, keyID, name] {
            let bytes = Data(text.utf8)
            info += bigEndian(UInt64(bytes.count), 2) + bytes
        }
        return info + bigEndian(UInt64(version), 8)
    }

    /// The value; `nil` where it does not open. `agree` is the sealing key's ECDH with a point of the curve.
    package func open(
        recipient: PublicKey, info: Data, _ cryptography: any Cryptography,
        agree: (Data) throws(DeviceFailure) -> Data
    ) throws(DeviceFailure) -> Data? {
        guard ciphertext.count >= Self.tagBytes, let ephemeral = PublicKey(point: enc, cryptography) else { return nil }
        let shared = try agree(ephemeral.point)
        guard shared.count == 32 else { return nil }
        let steps = HKDF(cryptography)
        let prk = steps.labeledExtract(Self.kem, salt: Data(), "eae_prk", shared)
        let secret = steps.labeledExpand(Self.kem, prk, "shared_secret", ephemeral.point + recipient.point, 32)
        let pskHash = steps.labeledExtract(Self.suite, salt: Data(), "psk_id_hash", Data())
        let infoHash = steps.labeledExtract(Self.suite, salt: Data(), "info_hash", info)
        let context = Data([0]) + pskHash + infoHash
        let schedule = steps.labeledExtract(Self.suite, salt: secret, "secret", Data())
        let key = steps.labeledExpand(Self.suite, schedule, "key", context, 32)
        let nonce = steps.labeledExpand(Self.suite, schedule, "base_nonce", context, 12)
        return cryptography.openAES256GCM(key: key, nonce: nonce, sealed: ciphertext)
    }

    private struct HKDF {
        let cryptography: any Cryptography

        init(_ cryptography: any Cryptography) { self.cryptography = cryptography }

        func labeledExtract(_ suite: Data, salt: Data, _ label: String, _ input: Data) -> Data {
            let key = salt.isEmpty ? Data(repeating: 0, count: 32) : salt
            return cryptography.hmacSHA256(key: key, message: Data("HPKE-v1".utf8) + suite + Data(label.utf8) + input)
        }

        /// At most 32 bytes, so one block.
        func labeledExpand(_ suite: Data, _ key: Data, _ label: String, _ info: Data, _ length: Int) -> Data {
            let told = SealedSecret.bigEndian(UInt64(length), 2) + Data("HPKE-v1".utf8) + suite + Data(label.utf8) + info
            return Data(cryptography.hmacSHA256(key: key, message: told + [1]).prefix(length))
        }
    }

    private static func bigEndian(_ number: UInt64, _ count: Int) -> Data {
        Data((0..<count).reversed().map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) })
    }
}
