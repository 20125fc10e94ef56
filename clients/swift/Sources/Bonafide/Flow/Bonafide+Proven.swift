import Foundation

/// A call that carries token and proof.
struct ProvenCall: Sendable {
    let call: Call
    let method: String
    /// The whole URL for a guarded API; the path for the verifier.
    let url: String
    var headers: [String: String] = [:]
    let body: Data?
    var feature: String?
}

extension Bonafide {
    private static let mostSends = 3

    /// Send with token and proof, at most three times; each send has a proof of its own.
    func sendProven(_ proven: ProvenCall, deadline: Double, after first: Int = 0) async throws(BonafideError) -> Reply {
        var serial = first
        var enrolling = false
        var done: Set<String> = []
        var sends = 0
        while !Task.isCancelled {
            let session = try await token(after: serial, enrolling: enrolling, deadline: deadline)
            enrolling = false
            if proven.call == .guarded { try await requireWork(feature: proven.feature) }
            guard let url = address(of: proven), let origin = TargetURL(url)?.origin else { throw .misconfigured }
            let server = proven.call == .guarded ? origin : home
            if let stop = waiting(for: server) {
                guard let resume = stop.resume, resume <= deadline else { throw stop.error }
                await device.clock.sleep(until: resume)
                continue
            }
            var headers = proven.headers.filter { !Self.ours.contains($0.key.lowercased()) }
            headers.merge(try await signed(method: proven.method, url: url, body: proven.body, session: session)) { $1 }
            let exchange = await exchange(proven.method, url, headers: headers, body: proven.body, call: proven.call)
            sends += 1
            if let reply = exchange.reply, isSuccess(reply, proven.call) {
                backoffs[server] = nil
                return reply
            }
            if exchange.failure == .clockWrong { throw .clock }
            let reaction = Reaction(
                to: proven.call == .guarded ? exchange.reply : usable(exchange.reply), of: proven.call,
                method: proven.method, refusals: backoff(server).refusals + 1, clock: exchange.clock)
            guard let error = reaction.error else {
                if let reply = exchange.reply { return reply }
                throw .fault
            }
            if let wait = reaction.wait, reaction.does == .none { refusal = (monotonic + wait.upperBound, error) }
            if reaction.wait != nil, reaction.does == .signAndResend { refuse(server, exchange.reply, error) }
            let step = reaction.wait != nil ? "wait" : reaction.hasNonce ? "nonce" : reaction.does.rawValue
            guard sends < Self.mostSends, step == "wait" || done.insert(step).inserted else {
                throw final(error, reaction, server)
            }
            switch reaction.does {
            case .renewAndResend: serial = session.serial
            case .attestAndResend: (serial, enrolling) = (session.serial, true)
            case .signAndResend: break
            case .home:
                do { _ = try await movedHome(to: reaction.home) } catch { throw error.error }
            default: throw final(error, reaction, server)
            }
        }
        throw .unavailable()
    }

    private static let ours: Set<String> = ["oauth-client-attestation", "dpop"]

    private func address(of proven: ProvenCall) -> String? {
        proven.call == .guarded ? proven.url : url(of: home).map { $0 + proven.url }
    }

    private func isSuccess(_ reply: Reply, _ call: Call) -> Bool {
        call == .guarded ? reply.status < 400 : (200...299).contains(reply.status) && reply.json != nil
    }

    private func final(_ error: BonafideError, _ reaction: Reaction, _ server: String) -> BonafideError {
        guard reaction.wait != nil, let stop = waiting(for: server), let resume = stop.resume else { return error }
        return error.with(retryAfter: resume - monotonic)
    }

    /// Token and a new proof. A key that fails ends the call: nothing is ever sent unsigned.
    func signed(
        method: String, url: String, body: Data?, session: Session
    ) async throws(BonafideError) -> [String: String] {
        if isClockStillWrong() { throw .clock }
        guard let key = record.requestKey, let point = PublicKey(point: key.point, device.cryptography) else {
            throw .fault
        }
        let jti = Base64URL.encode(device.random.bytes(16))
        let nonce = TargetURL(url).flatMap { nonces[$0.origin] }
        guard let proof = Proof(
            method: method, url: url, token: session.token, body: body, nonce: nonce, now: now, jti: jti, key: point,
            device.cryptography)
        else { throw .misconfigured }
        do {
            let jws = try CompactJWS.make(header: proof.header, claims: proof.claims) {
                (text) throws(DeviceFailure) in try device.enclave.sign(text, with: key.handle)
            }
            return ["OAuth-Client-Attestation": session.token, "DPoP": jws]
        } catch {
            beacon(error.code)
            if error.code == .keyLost || error.code == .keyInvalidated { forgetRequestKey() }
            throw BonafideError(error)
        }
    }

    /// The token is bound to a key that is gone: the next call renews with a new one.
    private func forgetRequestKey() {
        session = nil
        pendingRenewal = nil
        try? remember { $0.requestKey = nil }
    }
}
