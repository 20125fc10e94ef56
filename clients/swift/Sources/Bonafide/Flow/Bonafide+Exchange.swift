import Foundation

/// One request and what came of it.
struct Exchange: Sendable {
    /// `nil` when there was no answer. An answer that was too long is one that cannot be used: a 502.
    let reply: Reply?
    let failure: TransportFailure?
    /// When it was sent, monotonic.
    let sent: Double
    /// What its `Date` said.
    var clock = ClockOffset.unchanged
}

extension Bonafide {
    static let verifierPatience = 10.0
    static let guardedPatience = 60.0
    static let longestGuardedAnswer = 64 * 1024 * 1024

    /// Send, and learn from the answer: nonce, clock, news of a policy. Redirects are answers.
    func exchange(_ method: String, _ url: String, headers: [String: String], body: Data?, call: Call?) async -> Exchange {
        let pins = policyHeld?.rules.pins ?? []
        let isGuarded = call == .guarded
        let moment = now
        let request = Outgoing(
            method: method, url: url, headers: headers, body: body,
            longestAnswer: isGuarded ? Self.longestGuardedAnswer : Reply.longest,
            patience: isGuarded ? Self.guardedPatience : Self.verifierPatience,
            trusts: { host, chain in PinSet.trust(pins, host: host, chain: chain, now: moment) })
        let sent = monotonic
        let sentWall = device.clock.wall
        do {
            let answer = try await device.transport.send(request)
            let reply = Reply(status: answer.status, headers: answer.headers, body: answer.body)
            let offset = ClockOffset(
                date: answer.headers["date"], sent: sentWall, received: sentWall + monotonic - sent)
            if !isGuarded || answer.status == 401 {
                if let date = answer.headers["date"].flatMap(HTTPDate.read) { serverEpoch = date - (sent + monotonic) / 2 }
                setClock(offset)
            }
            if let origin = TargetURL(url)?.origin { note(answer.headers, origin: origin) }
            return Exchange(reply: reply, failure: nil, sent: sent, clock: offset)
        } catch {
            if error == .clockWrong { beacon(.clockWrong) }
            let reply = error == .tooLong ? Reply.unusable : nil
            return Exchange(reply: reply, failure: error, sent: sent)
        }
    }

    func note(_ headers: [String: String], origin: String) {
        if let nonce = headers["dpop-nonce"], Proof.isNonce(nonce) { nonces[origin] = nonce }
        if let text = headers["bonafide-client-policy-version"], (1...16).contains(text.utf8.count),
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let version = Int64(text)
        {
            heardPolicyVersion = max(heardPolicyVersion, version)
        }
    }

    private func setClock(_ offset: ClockOffset) {
        switch offset {
        case .unchanged: break
        case .seconds(let offset):
            clockOffset = offset
            isClockWrong = false
        case .tooLarge:
            isClockWrong = true
            beacon(.clockWrong)
        }
    }

    /// Whether the clock is as wrong as the newest answer found it: a person may have set it since, and a token may
    /// live for a day without another answer.
    func isClockStillWrong() -> Bool {
        guard isClockWrong else { return false }
        let offset = serverEpoch + monotonic - device.clock.wall
        if abs(offset) <= ClockOffset.bound {
            isClockWrong = false
            clockOffset = offset
        }
        return isClockWrong
    }

    func backoff(_ server: String) -> Backoff { backoffs[server] ?? Backoff() }

    func refuse(_ server: String, _ reply: Reply?, _ error: BonafideError) {
        var backoff = backoff(server)
        backoff.refused(
            retryAfter: reply?.headers["retry-after"], at: monotonic, draw: device.random.draw(), error: error)
        backoffs[server] = backoff
    }

    /// Whether this server is to be left alone, as a reason to stop. A clock that is a millisecond short is there.
    func waiting(for server: String) -> Stop? {
        let backoff = backoff(server)
        let until = max(backoff.until, notBefore[server] ?? -.infinity)
        guard until > monotonic + 0.001 else { return nil }
        return Stop(error: backoff.error.with(retryAfter: until - monotonic), resume: until)
    }
}
