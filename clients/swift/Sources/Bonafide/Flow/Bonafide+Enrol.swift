import Foundation

extension Bonafide {
    /// Enrol: attest the key and send the body, or send again the body that was not answered.
    func enrol(in region: String) async throws(Stop) {
        let body: Data
        if record.key?.state == .pending, let kept = record.key?.body {
            body = kept
        } else {
            body = try await attestationBody(in: region)
        }
        do {
            let answer = try await ask(.attestation, "/v1/attestations", body: body, region: region, read: Minted.init)
            try keep { $0.key?.state = .enrolled; $0.key?.body = nil }
            try take(answer.value, sent: answer.sent, region: answer.region)
        } catch {
            // A refusal is an answer: the evidence is used up, and a key is attested once.
            let isAnswered = error.does == .none && error.resume == nil && error.error.code != .storage
            if isAnswered && error.error.code != .blocked { try dropKey() }
            throw error
        }
    }

    private func attestationBody(in region: String) async throws(Stop) -> Data {
        try requireEnrolment()
        if let stop = waiting(for: Self.vendor) { throw stop }
        do {
            let key = try await attestedKey()
            // Beside it, so that secrets need no renewal of their own. An app can do without.
            if record.sealingKey == nil, let sealing = try? device.enclave.makeSealingKey() {
                try keep { $0.sealingKey = sealing }
            }
            let challenge: Challenge
            do { challenge = try await self.challenge(in: region) } catch {
                if error.failure == .notSent { beacon(.verifierUnreachable) }
                if error.failure == .timeout { beacon(.timeout) }
                throw error
            }
            let data = try clientData(challenge: challenge.value)
            let hash = device.cryptography.sha256(data)
            let object = try await device.attestedKeys.attest(key.name, clientDataHash: hash)
            let evidence = JSON.of(
                ("format", .string("apple-app-attest")),
                ("attestation_object", .string(Base64URL.encode(object))), ("key_id", .string(key.id)))
            let body = JSON.of(
                ("app", .string(configuration.app)), ("client_data", .string(Base64URL.encode(data))),
                ("evidence", .array([evidence]))
            ).encoded
            // Kept before it is sent: App Attest attests a key once, and a lost body cannot be made again.
            try keep {
                $0.key?.state = .pending
                $0.key?.body = body
                $0.attestations = Attempts.kept($0.attestations, at: device.clock.wall) + [device.clock.wall]
            }
            return body
        } catch let failure as DeviceFailure {
            throw try cannotAttest(failure)
        } catch let stop as Stop {
            throw stop
        } catch {
            throw Stop(error: .fault)
        }
    }

    static let vendor = "vendor"

    /// Whether another enrolment is within bounds.
    func requireEnrolment() throws(Stop) {
        let wait = Attempts.enrolmentWait(record.attestations, at: device.clock.wall)
        if wait > 0 { throw Stop(error: .unavailable(after: wait), resume: monotonic + wait) }
    }

    /// The key that is not attested yet, or a new one. Apple asks that a key be kept while its servers are unavailable.
    private func attestedKey() async throws -> Record.AttestedKey {
        if let key = record.key, key.state == .made { return key }
        let name = try await device.attestedKeys.make()
        guard let bytes = Data(base64Encoded: name) else { throw DeviceFailure(.keyGenerationFailed) }
        let key = Record.AttestedKey(name: name, state: .made, id: Base64URL.encode(bytes))
        try keep { $0.key = key }
        return key
    }

    private func cannotAttest(_ failure: DeviceFailure) throws(Stop) -> Stop {
        beacon(failure.code)
        switch failure.code {
        case .vendorUnreachable, .vendorQuota, .vendorError:
            refuse(Self.vendor, nil, BonafideError(failure))
            let until = backoff(Self.vendor).until
            return Stop(error: BonafideError(failure).with(retryAfter: until - monotonic), resume: until)
        case .keyLocked: return Stop(error: BonafideError(failure))
        default:
            if record.key != nil { try dropKey() }
            return Stop(error: BonafideError(failure))
        }
    }

    /// The exact bytes that evidence binds, with everything that was noticed since the start.
    func clientData(challenge: String) throws -> Data {
        let data = ClientData.members(
            challenge: challenge, requestKey: try publicKey(of: try requestKey()),
            sealingKey: try record.sealingKey.map { try publicKey(of: $0) }, app: device.facts, signals: signals,
            policyVersion: policyHeld?.version ?? 0
        ).encoded
        guard data.count <= ClientData.longest else { throw Stop(error: .misconfigured) }
        return data
    }

    /// The key that signs proofs; made once, and again where the platform lost it.
    func requestKey() throws -> StoredKey {
        if let key = record.requestKey { return key }
        let key = try device.enclave.makeSigningKey()
        try keep { $0.requestKey = key }
        return key
    }

    func publicKey(of key: StoredKey) throws -> PublicKey {
        guard let key = PublicKey(point: key.point, device.cryptography) else { throw Stop(error: .fault) }
        return key
    }
}
