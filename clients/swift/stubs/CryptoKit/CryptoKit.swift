// What the adapters use of CryptoKit, from its documentation: for type checks on Linux, never part of an app.
import Foundation
import Security

public struct Unavailable: Error {}

public struct SHA256Digest: Sequence, Sendable {
    public func makeIterator() -> IndexingIterator<[UInt8]> { [].makeIterator() }
}

public struct SHA256 {
    public static func hash<D: DataProtocol>(data: D) -> SHA256Digest { SHA256Digest() }
}

public struct SymmetricKey: Sendable {
    public init<D: ContiguousBytes>(data: D) {}
}

public struct HashedAuthenticationCode: Sequence, Sendable {
    public func makeIterator() -> IndexingIterator<[UInt8]> { [].makeIterator() }
}

public struct HMAC<H> {
    public static func authenticationCode<D: DataProtocol>(for data: D, using key: SymmetricKey) -> HashedAuthenticationCode {
        HashedAuthenticationCode()
    }
}

public enum AES {
    public enum GCM {
        public struct Nonce { public init<D: DataProtocol>(data: D) throws {} }

        public struct SealedBox {
            public init<C: DataProtocol, T: DataProtocol>(nonce: Nonce, ciphertext: C, tag: T) throws {}
        }

        public static func open(_ box: SealedBox, using key: SymmetricKey) throws -> Data { throw Unavailable() }
    }
}

public struct SharedSecret: ContiguousBytes, Sendable {
    public func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try body(UnsafeRawBufferPointer(start: nil, count: 0))
    }
}

public enum P256 {
    public enum Signing {
        public struct ECDSASignature {
            public init<D: DataProtocol>(rawRepresentation: D) throws {}
            public var rawRepresentation: Data { Data() }
        }

        public struct PublicKey {
            public init<B: ContiguousBytes>(x963Representation: B) throws {}
            public var x963Representation: Data { Data() }
            public func isValidSignature<D: DataProtocol>(_ signature: ECDSASignature, for data: D) -> Bool { false }
        }
    }

    public enum KeyAgreement {
        public struct PublicKey {
            public init<B: ContiguousBytes>(x963Representation: B) throws {}
            public var x963Representation: Data { Data() }
        }
    }
}

public enum SecureEnclave {
    public static var isAvailable: Bool { false }

    public enum P256 {
        public enum Signing {
            public struct PrivateKey {
                public init(accessControl: SecAccessControl) throws { throw Unavailable() }
                public init(dataRepresentation: Data) throws { throw Unavailable() }
                public var dataRepresentation: Data { Data() }
                public var publicKey: CryptoKit.P256.Signing.PublicKey { fatalError("a stub") }
                public func signature<D: DataProtocol>(for data: D) throws -> CryptoKit.P256.Signing.ECDSASignature {
                    throw Unavailable()
                }
            }
        }

        public enum KeyAgreement {
            public struct PrivateKey {
                public init(accessControl: SecAccessControl) throws { throw Unavailable() }
                public init(dataRepresentation: Data) throws { throw Unavailable() }
                public var dataRepresentation: Data { Data() }
                public var publicKey: CryptoKit.P256.KeyAgreement.PublicKey { fatalError("a stub") }
                public func sharedSecretFromKeyAgreement(
                    with publicKeyShare: CryptoKit.P256.KeyAgreement.PublicKey
                ) throws -> SharedSecret { throw Unavailable() }
            }
        }
    }
}
