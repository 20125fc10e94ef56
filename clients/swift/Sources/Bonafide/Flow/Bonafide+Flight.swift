import Foundation

extension Bonafide {
    /// A token that is usable now and later than `serial`. Joins or starts the one flight; waits within the deadline.
    func token(after serial: Int, enrolling: Bool = false, deadline: Double) async throws(BonafideError) -> Session {
        try load()
        while !Task.isCancelled {
            if let session, session.serial > serial, monotonic < session.usableUntil {
                if monotonic >= session.renewAt, flight == nil { _ = startFlight(enrolling: false) }
                return session
            }
            let task = flight ?? startFlight(enrolling: enrolling)
            guard case .failure(let stop) = await task.value else { continue }
            guard let resume = stop.resume, resume <= deadline else {
                throw stop.resume.map { stop.error.with(retryAfter: $0 - monotonic) } ?? stop.error
            }
            await device.clock.sleep(until: resume)
        }
        throw .unavailable()
    }

    private func startFlight(enrolling: Bool) -> Task<Result<Void, Stop>, Never> {
        let task = Task { await self.fly(enrolling: enrolling) }
        flight = task
        return task
    }

    /// One enrolment or renewal, alone among the processes of the app. It does not sleep: a wait ends it, and the next
    /// flight goes on with the same bytes.
    private func fly(enrolling: Bool) async -> Result<Void, Stop> {
        await device.lock.acquire()
        let result: Result<Void, Stop>
        do {
            try await obtain(enrolling: enrolling)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        device.lock.release()
        flight = nil
        return result
    }

    private func obtain(enrolling: Bool) async throws(Stop) {
        do { try reload() } catch { throw Stop(error: error) }
        if let refusal, monotonic < refusal.until { throw Stop(error: refusal.error) }
        let region = regionToAsk()
        if let stop = waiting(for: region) { throw stop }
        if enrolling {
            try requireEnrolment()  // before the key is given up
            try dropKey()
        }
        var mayAskAnew = true
        var mayEnrolAgain = true
        while true {
            do {
                if record.key?.state == .enrolled { try await renew(in: region) } else { try await enrol(in: region) }
                return
            } catch {
                switch error.does {
                case .newChallenge:
                    nextChallenge = nil
                    if record.key?.state != .enrolled { try dropKey() }
                    guard mayAskAnew else { throw error }
                    mayAskAnew = false
                case .renew where record.key?.state == .pending:
                    nextChallenge = nil
                    try keep { $0.key?.state = .enrolled; $0.key?.body = nil }
                case .attest where mayEnrolAgain:
                    guard mayEnrol(after: region) else { throw waiting(for: home) ?? error }
                    mayEnrolAgain = false
                    try dropKey()
                default: throw error
                }
            }
        }
    }

    /// Whether `unknown-key` of this region means that the key is to be dropped: another region than home may only not
    /// know it yet.
    private func mayEnrol(after region: String) -> Bool {
        guard region != home, let gone = unreachable[home] else { return true }
        if monotonic - gone.since >= Self.enrolElsewhereAfter { return true }
        notBefore[region] = gone.since + Self.enrolElsewhereAfter
        return false
    }

    /// Forget the attested key; the next enrolment makes another one. The platform's key itself cannot be deleted.
    func dropKey() throws(Stop) {
        nextChallenge = nil
        pendingRenewal = nil
        try keep { $0.key = nil }
    }

    /// A challenge that may still be used: the newest answer's, once, or a fresh one.
    func challenge(in region: String) async throws(Stop) -> Challenge {
        if let challenge = nextChallenge, monotonic < challenge.until, challenge.region == region {
            nextChallenge = nil
            return challenge
        }
        let body = JSON.of(("app", .string(configuration.app))).encoded
        let answer = try await ask(.challenge, "/v1/challenges", body: body, region: region) { json -> (String, Double)? in
            guard let value = json["challenge"]?.text, !value.isEmpty else { return nil }
            guard let life = json["expires_in"] else { return (value, Self.longestChallengeLife) }
            guard let seconds = life.whole, seconds > 0 else { return nil }
            return (value, min(Self.longestChallengeLife, 0.8 * Double(seconds)))
        }
        challengeLife = answer.value.1
        return Challenge(value: answer.value.0, until: answer.sent + answer.value.1, region: answer.region)
    }

    static let longestChallengeLife = 240.0

    /// Take up a token from the answer to an attestation or a renewal.
    package struct Minted: Sendable {
        let token: String
        package let life: TokenLife
        let nextChallenge: String?

        package init?(_ json: JSON) {
            guard let token = json["token"]?.text, !token.isEmpty, let life = TokenLife(json) else { return nil }
            for name in ["token_type", "key_id", "next_challenge"] {
                if let member = json[name], member.text == nil { return nil }
            }
            self.token = token
            self.life = life
            nextChallenge = json["next_challenge"]?.text
        }
    }

    func take(_ minted: Minted, sent: Double, region: String) throws(Stop) {
        serial += 1
        let bounds = minted.life.renewal
        let renewAfter = bounds.lowerBound + device.random.draw() * (bounds.upperBound - bounds.lowerBound)
        session = Session(
            token: minted.token, serial: serial, renewAt: sent + renewAfter, usableUntil: sent + minted.life.usable)
        attempts.tokenLife = minted.life.seconds
        nextChallenge = minted.nextChallenge.map { Challenge(value: $0, until: sent + challengeLife, region: region) }
        refusal = nil
        if region != record.home ?? configuration.home { try keep { $0.home = region } }
    }
}
