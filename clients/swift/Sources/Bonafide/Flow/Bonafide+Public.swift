import Foundation

extension Bonafide {
    /// Send one request to an API of your own, with token and proof.
    ///
    /// - Parameters:
    ///   - url: of one of the guarded origins; anything else is `misconfigured` and not sent.
    ///   - body: exactly these bytes are signed and sent.
    ///   - feature: a kill switch of the client policy; off → `stopped`.
    ///   - deadline: seconds that the caller has. A wait that ends later is not begun: `unavailable`, `retryAfter`.
    /// - Returns: the API's answer, whatever its status, unless the status is Bonafide's own business.
    public func request(
        _ method: String, _ url: String, headers: [String: String] = [:], body: Data? = nil, feature: String? = nil,
        deadline: Double = 30
    ) async throws(BonafideError) -> Answer {
        guard isGuarded(url), Self.areHeaders(headers), Self.isToken(method) else { throw .misconfigured }
        let reply = try await sendProven(
            ProvenCall(call: .guarded, method: method, url: url, headers: headers, body: body, feature: feature),
            deadline: monotonic + deadline)
        return Answer(status: reply.status, headers: reply.headers, body: reply.body)
    }

    /// The header fields to add to one request that the app sends by itself, exactly once and at once.
    ///
    /// Pass what comes back to ``heard(_:from:)``. Redirects must not be followed, and a second send needs a second
    /// call of this.
    public func sign(
        _ method: String, _ url: String, body: Data? = nil, feature: String? = nil, deadline: Double = 30
    ) async throws(BonafideError) -> [String: String] {
        guard isGuarded(url), Self.isToken(method) else { throw .misconfigured }
        let session = try await token(after: 0, deadline: monotonic + deadline)
        try await requireWork(feature: feature)
        return try await signed(method: method, url: url, body: body, session: session)
    }

    /// What an answer to a request of ``sign(_:_:body:feature:deadline:)`` said: nonces and news of a policy.
    public func heard(_ headers: [String: String], from url: String) {
        guard let origin = TargetURL(url)?.origin, configuration.guarded.contains(origin) else { return }
        note(Dictionary(headers.map { ($0.key.lowercased(), $0.value) }, uniquingKeysWith: { $1 }), origin: origin)
    }

    /// The client policy, fetched anew where that is due.
    public var policy: Policy {
        get async {
            try? load()
            await refreshPolicyIfDue()
            let rules = policyHeld?.rules ?? PolicyRules()
            return Policy(
                version: policyHeld?.version ?? 0, reactions: rules.reactions.mapValues(\.rawValue), off: rules.off,
                featuresOff: rules.featuresOff, stopped: stopped(feature: nil))
        }
    }

    /// Drop what is in memory for good: the token, and the secrets' versions. Signs nobody out of anything.
    public func forget() {
        session = nil
        nextChallenge = nil
        openedSecrets = [:]
    }

    private func isGuarded(_ url: String) -> Bool {
        TargetURL(url).map { configuration.guarded.contains($0.origin) } ?? false
    }

    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                || "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    private static func areHeaders(_ headers: [String: String]) -> Bool {
        headers.allSatisfy { name, value in
            isToken(name) && !value.utf8.contains { $0 < 0x20 && $0 != 0x09 || $0 == 0x7F }
        }
    }
}

/// What the client policy says, for the app.
public struct Policy: Sendable {
    /// 0 for none.
    public let version: Int64
    /// By detector: `report`, `warn`, `block` or `wipe`; `report` for one that is not named.
    public let reactions: [String: String]
    /// Detectors that must not run.
    public let off: Set<String>
    public let featuresOff: Set<String>
    /// Why the app must not go on; `nil` when it may.
    public let stopped: BonafideError?
}

/// How a report of a signal was taken.
public struct SignalReport: Sendable, Equatable {
    /// 202, or 0 where the policy says that the detector is off and nothing was sent.
    public let status: Int
    /// The verifier's advice to the app.
    public let advice: [String]
}

/// A secret in the clear. Use it and forget it.
public struct Secret: Sendable {
    public let value: Data
    public let version: Int64
}
