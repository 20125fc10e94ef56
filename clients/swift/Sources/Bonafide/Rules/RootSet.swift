import Foundation

/// The keys that sign policies and root sets: built into the app, and changed only by a signed step at a time.
///
/// Each step keeps a root of the set before it, so that no single signature can put all roots aside, and documents that
/// a kept root signed hold on either side of the step.
public struct RootSet: Sendable {
    public let version: Int
    package let roots: [PublicKey]

    static let typ = "bonafide-root-set+jwt"
    static let longest = 64 * 1024
    package static let mostSteps = 16
    private static let clockSkew = 86_400.0
    private static let most = 4

    /// From the JSON that the app is built with: `{"version": 1, "roots": [JWK, …]}`. `nil` where it is not one.
    public init?(json: Data, cryptography: any Cryptography) {
        guard let value = try? JSONReader.read(json) else { return nil }
        self.init(value, cryptography)
    }

    package init?(_ value: JSON, _ cryptography: any Cryptography) {
        guard let version = value["version"]?.whole, version >= 1, version < SignedPolicy.largestVersion,
            let listed = value["roots"]?.list, (1...Self.most).contains(listed.count)
        else { return nil }
        let roots = listed.compactMap { PublicKey(jwk: $0, cryptography) }
        guard roots.count == listed.count, Set(roots).count == roots.count else { return nil }
        self.version = Int(version)
        self.roots = roots
    }

    /// The set after this one; `nil` where the step must not be believed. There is no bound to the past: an app may have
    /// slept for years.
    package func next(_ jws: String, issuer: String, now: Double, _ cryptography: any Cryptography) -> RootSet? {
        guard let signed = CompactJWS(jws, typ: Self.typ, roots: roots, longest: Self.longest, cryptography),
            let stack = signed.claims["iss"]?.text, sameBytes(stack, issuer),
            let issuedAt = signed.claims["iat"]?.whole, issuedAt >= 0, Double(issuedAt) <= now + Self.clockSkew,
            let next = RootSet(signed.claims, cryptography), next.version == version + 1,
            !Set(roots).isDisjoint(with: next.roots)
        else { return nil }
        return next
    }

    /// This set, taken along a kept chain of steps as far as they hold. Steps below the built-in version are skipped.
    package func along(
        _ chain: [String], issuer: String, now: Double, _ cryptography: any Cryptography
    ) -> (set: RootSet, chain: [String]) {
        var set = self
        var kept: [String] = []
        for step in chain {
            guard let next = set.next(step, issuer: issuer, now: now, cryptography) else { continue }
            set = next
            kept.append(step)
        }
        return (set, kept)
    }
}
