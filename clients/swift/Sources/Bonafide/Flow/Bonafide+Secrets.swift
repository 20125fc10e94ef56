import Foundation

extension Bonafide {
    /// A secret of the app, opened by a key that never leaves the hardware (docs/secrets.md). Use it and forget it:
    /// this library keeps no copy.
    ///
    /// The name is the caller's, the least version the verified client policy's, and issuer, app and key are this
    /// install's own: of the binding only the version comes from the answer.
    public func secret(_ name: String, deadline: Double = 30) async throws(BonafideError) -> Secret {
        try load()
        let deadline = monotonic + deadline
        _ = try await token(after: 0, deadline: deadline)
        await refreshPolicyIfDue()
        guard let least = policyHeld?.rules.secrets[name] else { throw .secretRefused }
        let key = try sealingKey()
        guard let recipient = PublicKey(point: key.point, device.cryptography) else { throw .fault }
        let body = JSON.of(
            ("secrets", .array([.string(name)])),
            ("sealing_key", .string(recipient.thumbprint(device.cryptography)))
        ).encoded
        let reply = try await sendProven(
            ProvenCall(
                call: .secrets, method: "POST", url: "/v1/secrets", headers: ["Content-Type": "application/json"],
                body: body),
            deadline: deadline)
        return try open(reply, name: name, least: least, key: key, recipient: recipient)
    }

    private func open(
        _ reply: Reply, name: String, least: Int64, key: StoredKey, recipient: PublicKey
    ) throws(BonafideError) -> Secret {
        let found = reply.json?["secrets"]?.list?.filter { $0["name"]?.text.map { sameBytes($0, name) } ?? false } ?? []
        guard found.count == 1, let version = found[0]["version"]?.whole, version >= 1,
            version >= max(least, openedSecrets[name] ?? 0),
            let enc = found[0]["enc"]?.text.flatMap(Base64URL.decode),
            let ciphertext = found[0]["ciphertext"]?.text.flatMap(Base64URL.decode), let keyID = record.key?.id
        else { throw .secretRefused }
        let info = SealedSecret.info(
            issuer: configuration.issuer, app: configuration.app, keyID: keyID, name: name, version: version)
        do {
            let value = try SealedSecret(enc: enc, ciphertext: ciphertext)
                .open(recipient: recipient, info: info, device.cryptography) { (point) throws(DeviceFailure) in
                    try device.enclave.agree(with: point, handle: key.handle)
                }
            guard let value else { throw BonafideError.secretRefused }
            openedSecrets[name] = version
            return Secret(value: value, version: version)
        } catch let failure as DeviceFailure {
            beacon(failure.code)
            if failure.code == .keyLost || failure.code == .keyInvalidated { try remember { $0.sealingKey = nil } }
            throw BonafideError(failure)
        } catch {
            throw .secretRefused
        }
    }

    /// Made with the attested key. One that was made later is endorsed by the renewal that `sealing-key-missing` asks for.
    private func sealingKey() throws(BonafideError) -> StoredKey {
        if let key = record.sealingKey { return key }
        let key: StoredKey
        do { key = try device.enclave.makeSealingKey() } catch {
            beacon(error.code)
            throw BonafideError(error)
        }
        try remember { $0.sealingKey = key }
        return key
    }
}
