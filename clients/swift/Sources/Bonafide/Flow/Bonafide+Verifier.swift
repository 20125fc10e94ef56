import Foundation

extension Bonafide {
    static let unreachableFor = 60.0
    static let unreachableAttempts = 3
    static let enrolElsewhereAfter = 600.0

    /// The region of this install.
    var home: String { record.home.flatMap { url(of: $0) == nil ? nil : $0 } ?? configuration.home }

    /// A region's address: built in, or named by the verified client policy. Never by an answer.
    func url(of region: String) -> String? {
        configuration.regions[region] ?? policyHeld?.rules.regions[region]
    }

    /// Where the next flight goes: home, or while home is unreachable the next region that is not left alone.
    func regionToAsk() -> String {
        guard let gone = unreachable[home], gone.attempts >= Self.unreachableAttempts,
            monotonic - gone.since >= Self.unreachableFor,
            record.key?.state == .enrolled || monotonic - gone.since >= Self.enrolElsewhereAfter
        else { return home }
        let names = Set(configuration.regions.keys).union(policyHeld?.rules.regions.keys.map { $0 } ?? []).sorted()
        let after = names.filter { $0 > home } + names.filter { $0 < home }
        return after.first { waiting(for: $0) == nil } ?? home
    }

    /// One call of a flight: challenge, attestation or renewal. `read` gives `nil` for an answer that cannot be used.
    ///
    /// - Returns: what was read, when the request was sent (monotonic), and the region that answered.
    func ask<T: Sendable>(
        _ call: Call, _ path: String, body: Data, region: String, read: (JSON) -> T?
    ) async throws(Stop) -> (value: T, sent: Double, region: String) {
        var region = region
        var hasMoved = false
        while true {
            if let stop = waiting(for: region) { throw stop }
            let bound = attempts.wait(at: monotonic)
            if bound > 0 { throw Stop(error: .unavailable(after: bound), resume: monotonic + bound) }
            attempts.add(at: monotonic)
            guard let base = url(of: region) else { throw Stop(error: .wrongRegion) }
            var headers = ["Content-Type": "application/json"]
            // A stack that paces new installs lets those pass that have a key.
            if call == .challenge, record.key?.state == .enrolled { headers["Bonafide-Challenge-For"] = "renewal" }
            let exchange = await exchange("POST", base + path, headers: headers, body: body, call: call)
            judge(region, exchange)
            if let reply = exchange.reply, (200...299).contains(reply.status), let value = reply.json.flatMap(read) {
                backoffs[region] = nil
                sayWhatWaited()
                return (value, exchange.sent, region)
            }
            let reaction = Reaction(
                to: usable(exchange.reply), of: call, method: "POST", refusals: backoff(region).refusals + 1,
                clock: exchange.clock)
            guard reaction.does == .home else { throw stop(reaction, exchange, region) }
            guard !hasMoved, region == home else { throw backToHome(from: region) }
            region = try await movedHome(to: reaction.home)
            hasMoved = true
        }
    }

    /// A success that cannot be read is treated as a 502.
    func usable(_ reply: Reply?) -> Reply? {
        reply.map { (200...299).contains($0.status) ? .unusable : $0 }
    }

    private func stop(_ reaction: Reaction, _ exchange: Exchange, _ region: String) -> Stop {
        let error = reaction.error ?? .unavailable()
        if exchange.failure == .clockWrong { return Stop(error: .clock) }
        if reaction.does == .sameBytesAfterWait {
            refuse(region, exchange.reply, error)
            let until = backoff(region).until
            return Stop(
                error: error.with(retryAfter: until - monotonic), does: reaction.does, resume: until,
                failure: exchange.failure)
        }
        if let wait = reaction.wait {
            refusal = (monotonic + wait.upperBound, error)
        }
        return Stop(error: error, does: reaction.does)
    }

    /// Count how long a region has given no answer, or a 5xx.
    private func judge(_ region: String, _ exchange: Exchange) {
        if let status = exchange.reply?.status, status < 500 {
            unreachable[region] = nil
        } else {
            var gone = unreachable[region] ?? Unreachable(since: monotonic)
            gone.attempts += 1
            unreachable[region] = gone
        }
    }

    /// Home is the region of this name from now on. A name that is not known yet may be in the client policy.
    func movedHome(to name: String?) async throws(Stop) -> String {
        guard let name else { throw Stop(error: .wrongRegion) }
        if url(of: name) == nil { await refreshPolicy() }
        guard url(of: name) != nil else { throw Stop(error: .wrongRegion) }
        try keep { $0.home = name }
        return name
    }

    /// Another region than home does not serve this install: wait for home.
    private func backToHome(from region: String) -> Stop {
        if region == home { return Stop(error: .wrongRegion) }
        notBefore[region] = monotonic + Self.enrolElsewhereAfter
        return waiting(for: home) ?? Stop(error: .wrongRegion)
    }

    func keep(_ change: (inout Record) -> Void) throws(Stop) {
        do { try remember(change) } catch { throw Stop(error: error) }
    }
}
