import Foundation

/// What is built into the app. All of it is public.
public struct Configuration: Sendable {
    let app: String
    let issuer: String
    let builtInRoots: RootSet
    let regions: [String: String]
    let home: String
    let guarded: Set<String>
    /// For the test program: a verifier over plain HTTP on this machine counts as one over TLS.
    let allowsPlainLoopback: Bool

    /// - Parameters:
    ///   - app: the name under which the app is registered.
    ///   - issuer: the stack's `Issuer`.
    ///   - roots: the JSON of the stack's root set.
    ///   - regions: name → base URL of the verifier, https. With one region, any name.
    ///   - home: the region to begin with.
    ///   - guarded: the origins of your own APIs. Token and proof are sent to these and to no other.
    /// - Throws: `misconfigured` where one of these cannot be.
    public init(
        app: String, issuer: String, roots: Data, regions: [String: String], home: String, guarded: [String],
        cryptography: any Cryptography
    ) throws(BonafideError) {
        try self.init(
            app: app, issuer: issuer, roots: roots, regions: regions, home: home, guarded: guarded,
            cryptography: cryptography, allowsPlainLoopback: false)
    }

    package init(
        app: String, issuer: String, roots: Data, regions: [String: String], home: String, guarded: [String],
        cryptography: any Cryptography, allowsPlainLoopback: Bool
    ) throws(BonafideError) {
        self.allowsPlainLoopback = allowsPlainLoopback
        let origins = guarded.map { TargetURL($0) }
        let allows = { (url: TargetURL?) in
            url.map { $0.scheme == "https" || allowsPlainLoopback && $0.host == "127.0.0.1" } ?? false
        }
        guard let builtIn = RootSet(json: roots, cryptography: cryptography), regions[home] != nil,
            regions.values.allSatisfy({ allows(TargetURL($0)) }), origins.allSatisfy(allows), !app.isEmpty
        else { throw .misconfigured }
        self.app = app
        self.issuer = issuer
        builtInRoots = builtIn
        self.regions = regions.mapValues { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
        self.home = home
        self.guarded = Set(origins.compactMap { $0?.origin })
    }
}

/// Everything that the core needs of a device.
public struct Device: Sendable {
    let facts: AppFacts
    let cryptography: any Cryptography
    let attestedKeys: any AttestedKeys
    let enclave: any EnclaveKeys
    let transport: any Transport
    let storage: any Storage
    let clock: any Timekeeper
    let random: any Randomness
    let lock: any ProcessLock

    public init(
        facts: AppFacts, cryptography: any Cryptography, attestedKeys: any AttestedKeys, enclave: any EnclaveKeys,
        transport: any Transport, storage: any Storage, clock: any Timekeeper, random: any Randomness,
        lock: any ProcessLock
    ) {
        self.facts = facts
        self.cryptography = cryptography
        self.attestedKeys = attestedKeys
        self.enclave = enclave
        self.transport = transport
        self.storage = storage
        self.clock = clock
        self.random = random
        self.lock = lock
    }
}
