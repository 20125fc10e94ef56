import Foundation

/// Which call an answer belongs to.
package enum Call: String, Sendable, CaseIterable {
    case challenge, attestation, renewal, guarded, secrets, signals, policy

    /// Whether the call carries token and proof: then it is signed anew for every send.
    var isProven: Bool { self == .guarded || self == .secrets || self == .signals }
}

/// What a client does about an answer that is no success: the table of docs/wire-contract.md, one for all calls.
///
/// `retry`, `action` and the slug decide. Values of the future count as `never` and as no action.
package struct Reaction: Sendable {
    package enum Does: String, Sendable {
        case sameBytesAfterWait = "same-bytes-after-wait"
        case renewAndResend = "renew-and-resend"
        case attestAndResend = "attest-and-resend"
        case signAndResend = "sign-and-resend"
        case newChallenge = "new-challenge"
        case renew
        /// Drop the key and enrol: the flight's own `404 unknown-key`.
        case attest
        case home
        case none
    }

    package private(set) var does: Does
    package private(set) var wait: ClosedRange<Double>?
    /// What is shown when that does not help; `nil` where the guarded API's own answer goes to the app.
    package private(set) var error: BonafideError?
    /// The region that a `wrong-region` names.
    private(set) var home: String?
    /// Whether a nonce was asked for, and came.
    private(set) var hasNonce = false

    static let refusedFor = 900.0

    private init(_ does: Does, wait: ClosedRange<Double>? = nil, _ error: BonafideError?) {
        self.does = does
        self.wait = wait
        self.error = error
    }

    /// The answer is not a success, or is one that cannot be used (``Reply/unusable``): the caller has seen to that.
    /// `refusals` counts this one (1 …); `clock` is what the answer's `Date` says.
    package init(
        to reply: Reply?, of call: Call, method: String, refusals: Int, clock: ClockOffset = .unchanged
    ) {
        let wait = Wait.bounds(retryAfter: reply?.headers["retry-after"], refusals: refusals)
        let asked = Asked(call: call, isSafe: method == "GET" || method == "HEAD", wait: wait, clock: clock)
        self = Self.of(reply, asked)
        if call == .policy {  // the app goes on under the policy that it has
            self = Reaction(.none, wait: self.wait, nil)
        }
    }

    private struct Asked {
        let call: Call
        let isSafe: Bool
        let wait: ClosedRange<Double>
        let clock: ClockOffset

        func later(_ error: BonafideError) -> Reaction {
            Reaction(call.isProven ? .signAndResend : .sameBytesAfterWait, wait: wait, error)
        }

        /// The request may have had its effect: only what changes nothing is sent again.
        func unknown(_ fault: BonafideError.Fault, _ error: BonafideError) -> Reaction {
            call == .guarded && !isSafe ? Reaction(.none, BonafideError(.unknownOutcome, fault, .tryLater)) : later(error)
        }
    }

    private static func of(_ reply: Reply?, _ asked: Asked) -> Reaction {
        guard let reply else { return asked.unknown(.network, .offline) }
        guard let problem = Problem.of(reply, asked.call) else { return asked.later(.unavailable()) }
        let saysLater = problem.retry == "later" || problem.action == "retry"
        if reply.status == 429 || reply.status == 503 && saysLater { return asked.later(.unavailable()) }
        if reply.status >= 500 { return asked.unknown(.service, .unavailable()) }
        if reply.status == 401, asked.call.isProven { return unauthorized(reply, problem, asked) }
        if asked.call == .guarded { return guarded(reply, problem, asked) }
        if reply.status < 400 { return asked.later(.unavailable()) }
        return verifier(reply.status, problem, asked)
    }

    private static func unauthorized(_ reply: Reply, _ problem: Problem, _ asked: Asked) -> Reaction {
        switch problem.action {
        case "attest": return Reaction(.attestAndResend, .refused)
        case "retry": return asked.later(.unavailable())
        case "sign":
            var again = Reaction(.signAndResend, .refused)
            again.hasNonce = problem.slug == "use_dpop_nonce" && reply.headers["dpop-nonce"].map(Proof.isNonce) ?? false
            if !again.hasNonce, asked.clock == .tooLarge { return Reaction(.none, .clock) }
            return again
        default: return Reaction(.renewAndResend, .refused)
        }
    }

    private static func guarded(_ reply: Reply, _ problem: Problem, _ asked: Asked) -> Reaction {
        guard reply.status == 403 else { return Reaction(.none, nil) }
        if problem.action == "retry" { return asked.later(.unavailable()) }
        if problem.slug == "refused" { return asked.later(.refused) }
        return isBare(reply) ? Reaction(.renewAndResend, .refused) : Reaction(.none, nil)
    }

    /// Whether a 403 says nothing, as an HTTP API's, which can say no more than `{"message":"Forbidden"}`. What else a
    /// backend says is for the app.
    private static func isBare(_ reply: Reply) -> Bool {
        reply.json?.members?.allSatisfy { $0.name == "message" } ?? true
    }

    private static func verifier(_ status: Int, _ problem: Problem, _ asked: Asked) -> Reaction {
        let code = problem.supportCode
        switch (status, problem.slug) {
        case (403, "evidence-rejected"):
            let error = BonafideError(
                .rejected, .device, .init(advice: problem.advice), supportCode: code, advice: problem.advice)
            return Reaction(.none, wait: refusedFor...refusedFor, error)
        case (403, "blocked"):
            let error = BonafideError(
                .blocked, .device, .contactSupport, supportCode: code, advice: problem.advice)
            return Reaction(.none, wait: refusedFor...refusedFor, error)
        case (403, "secret-refused"):
            return Reaction(.none, BonafideError(.secretRefused, .service, .contactSupport, supportCode: code))
        case (404, "unknown-key"): return Reaction(asked.call.isProven ? .attestAndResend : .attest, .refused)
        case (409, "challenge-unusable"): return Reaction(.newChallenge, .unavailable())
        case (409, "key-enrolled"): return Reaction(.renew, .unavailable())
        case (409, "sealing-key-missing"), (409, "sealing-key-unknown"):
            return Reaction(.renewAndResend, .secretRefused)
        case (409, "wrong-region"):
            var reaction = Reaction(.home, .wrongRegion)
            reaction.home = problem.home
            return reaction
        default: break
        }
        if problem.action == "retry" || problem.retry == "later" { return asked.later(.unavailable()) }
        if problem.retry == "after-challenge", !asked.call.isProven { return Reaction(.newChallenge, .unavailable()) }
        guard status == 403 else { return Reaction(.none, .misconfigured) }
        let refused = BonafideError(.refused, .service, .tryLater, supportCode: code)  // a firewall, or of the future
        return ["", "refused"].contains(problem.slug) ? asked.later(refused) : Reaction(.none, refused)
    }
}
