import Foundation

/// A client policy whose signature, issuer, app, time and version hold.
package struct SignedPolicy: Sendable {
    package let version: Int64
    package let rules: PolicyRules
    private let issuedAt: Int64
    private let document: JSON

    static let typ = "bonafide-client-policy+jwt"
    static let longest = 64 * 1024
    static let clockSkew = 86_400.0
    static let largestVersion = Int64(1) << 53

    /// `nil` for everything that must not be believed. `newestSeen` is the newest version that this install ever
    /// verified, 0 for none: an older one is refused however genuine it is. Claims that are unknown are ignored.
    package init?(
        _ jws: String, roots: [PublicKey], issuer: String, app: String, newestSeen: Int64, now: Double,
        _ cryptography: any Cryptography
    ) {
        guard let signed = CompactJWS(jws, typ: Self.typ, roots: roots, longest: Self.longest, cryptography),
            let stack = signed.claims["iss"]?.text, sameBytes(stack, issuer),
            let owner = signed.claims["app"]?.text, sameBytes(owner, app),
            let version = signed.claims["version"]?.whole, version >= max(newestSeen, 1), version < Self.largestVersion,
            let issuedAt = signed.claims["iat"]?.whole, issuedAt >= 0, Double(issuedAt) <= now + Self.clockSkew,
            let document = signed.claims["document"], let rules = PolicyRules(document: document)
        else { return nil }
        self.version = version
        self.issuedAt = issuedAt
        self.document = document
        self.rules = rules
    }

    package enum Outcome: String, Sendable { case newer, confirmed, refused }

    /// What a policy that was offered means to an app that holds `held`: one version has one content for good.
    package static func judge(_ offered: SignedPolicy?, held: SignedPolicy?) -> Outcome {
        guard let offered else { return .refused }
        guard let held, held.version == offered.version else { return .newer }
        return offered.issuedAt == held.issuedAt && offered.document.says(held.document) ? .confirmed : .refused
    }
}
