import Foundation

/// The few operations that the core needs and does not do itself. CryptoKit on Apple's platforms.
public protocol Cryptography: Sendable {
    func sha256(_ message: Data) -> Data
    func hmacSHA256(key: Data, message: Data) -> Data
    /// AES-256-GCM without associated data; `nil` when the tag does not hold. `sealed` ends in the tag of 16 bytes.
    func openAES256GCM(key: Data, nonce: Data, sealed: Data) -> Data?
    /// Whether these 65 bytes are an uncompressed point on P-256.
    func isPoint(_ point: Data) -> Bool
    /// Whether `signature` (R‖S, 64 bytes) over `message` is by ES256 and the key of `point`.
    func verifies(_ signature: Data, message: Data, point: Data) -> Bool
}
