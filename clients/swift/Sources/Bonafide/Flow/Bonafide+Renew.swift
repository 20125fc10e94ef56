import Foundation

extension Bonafide {
    /// Renew: an assertion over new client data. A renewal that got no answer is sent again as it is: where it was
    /// stored, the answer is `challenge-unusable`, and a new challenge follows.
    func renew(in region: String) async throws(Stop) {
        guard let key = record.key else { throw Stop(error: .fault) }
        let pending: PendingRenewal
        if let kept = pendingRenewal, monotonic < kept.until, region == home {
            pending = kept
        } else {
            let challenge = try await challenge(in: region)
            pending = PendingRenewal(body: try await renewalBody(key, challenge: challenge.value), until: challenge.until)
        }
        pendingRenewal = nil
        do {
            let answer = try await ask(.renewal, "/v1/tokens", body: pending.body, region: region, read: Minted.init)
            try take(answer.value, sent: answer.sent, region: answer.region)
        } catch {
            if error.does == .sameBytesAfterWait { pendingRenewal = pending }
            throw error
        }
    }

    private func renewalBody(_ key: Record.AttestedKey, challenge: String) async throws(Stop) -> Data {
        do {
            let data = try clientData(challenge: challenge)
            let hash = device.cryptography.sha256(data)
            let assertion = try await device.attestedKeys.assert(key.name, clientDataHash: hash)
            let evidence = JSON.of(
                ("format", .string("apple-app-attest-assertion")), ("assertion", .string(Base64URL.encode(assertion))))
            return JSON.of(
                ("key_id", .string(key.id)), ("client_data", .string(Base64URL.encode(data))),
                ("evidence", .array([evidence]))
            ).encoded
        } catch let failure as DeviceFailure {
            beacon(failure.code)
            // Restored to another device, or reinstalled: the name is here and the key is not.
            let isGone = failure.code == .keyLost || failure.code == .keyInvalidated
            throw Stop(error: BonafideError(failure), does: isGone ? .attest : .none)
        } catch let stop as Stop {
            throw stop
        } catch {
            throw Stop(error: .fault)
        }
    }
}
