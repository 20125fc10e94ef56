import Foundation

/// What outlives a start of the app: one JSON text of a version. Tokens are never in it.
struct Record: Sendable {
    /// How far the attested key has come.
    enum KeyState: String, Sendable {
        /// Made, and not attested: App Attest may be asked again with the same key.
        case made
        /// Attested; the body is kept until it is answered, because a key is attested once.
        case pending
        case enrolled
    }

    struct AttestedKey: Sendable {
        /// Apple's name of the key.
        var name: String
        var state: KeyState
        /// The same 32 bytes in base64url: the key's name in Bonafide.
        var id: String
        /// The complete body of the attestation while it is pending, and the device's time when it was made.
        var body: Data?
    }

    struct Policy: Sendable {
        var jws = ""
        var etag = ""
        /// The newest version that was ever verified, also when another is held.
        var newest: Int64 = 0
        var confirmedAt = 0.0
    }

    static let version: Int64 = 1

    var key: AttestedKey?
    var requestKey: StoredKey?
    var sealingKey: StoredKey?
    var policy = Policy()
    /// The latest time that the (corrected) clock ever showed: setting it back makes no policy young.
    var latestClock = 0.0
    var rootChain: [String] = []
    /// When a document that no root verified last made the app ask for newer sets; 0 for never.
    var rootsAskedAt = 0.0
    /// When the app asks without such a cause: once a week.
    var rootsDueAt = 0.0
    var home: String?
    /// When enrolments were begun, by the device's clock.
    var attestations: [Double] = []

    init() {}

    /// `nil` for another version and for what cannot be read: the app begins anew. Keys of the platform stay.
    init?(_ data: Data) {
        guard let value = try? JSONReader.read(data), value["record"]?.whole == Self.version else { return nil }
        if let saved = value["key"], let name = saved["name"]?.text, let id = saved["id"]?.text,
            let state = saved["state"]?.text.flatMap(KeyState.init(rawValue:))
        {
            let body = saved["body"]?.text.flatMap(Base64URL.decode)
            // A body that is lost may have enrolled: to renew tells.
            let known = state == .pending && body == nil ? .enrolled : state
            key = AttestedKey(name: name, state: known, id: id, body: body)
        }
        requestKey = Self.storedKey(value["request_key"])
        sealingKey = Self.storedKey(value["sealing_key"])
        if let saved = value["policy"] {
            policy.jws = saved["jws"]?.text ?? ""
            policy.etag = saved["etag"]?.text ?? ""
            policy.newest = max(0, saved["newest"]?.whole ?? 0)
            policy.confirmedAt = saved["confirmed_at"]?.seconds ?? 0
        }
        latestClock = value["latest_clock"]?.seconds ?? 0
        rootChain = value["root_chain"]?.list?.compactMap(\.text) ?? []
        rootsAskedAt = value["roots_asked_at"]?.seconds ?? 0
        rootsDueAt = value["roots_due_at"]?.seconds ?? 0
        home = value["home"]?.text
        attestations = value["attestations"]?.list?.compactMap(\.seconds) ?? []
    }

    var encoded: Data {
        let saved = key.map { key in
            JSON.of(
                ("name", .string(key.name)), ("state", .string(key.state.rawValue)), ("id", .string(key.id)),
                ("body", key.body.map { .string(Base64URL.encode($0)) }))
        }
        return JSON.of(
            ("record", .int(Self.version)), ("key", saved),
            ("request_key", requestKey.map(Self.json)), ("sealing_key", sealingKey.map(Self.json)),
            ("policy", .of(
                ("jws", .string(policy.jws)), ("etag", .string(policy.etag)), ("newest", .int(policy.newest)),
                ("confirmed_at", .number(policy.confirmedAt)))),
            ("latest_clock", .number(latestClock)),
            ("root_chain", .array(rootChain.map { .string($0) })), ("roots_asked_at", .number(rootsAskedAt)),
            ("roots_due_at", .number(rootsDueAt)),
            ("home", home.map { .string($0) }), ("attestations", .array(attestations.map { .number($0) }))
        ).encoded
    }

    private static func json(_ key: StoredKey) -> JSON {
        .of(("handle", .string(Base64URL.encode(key.handle))), ("point", .string(Base64URL.encode(key.point))))
    }

    private static func storedKey(_ value: JSON?) -> StoredKey? {
        guard let handle = value?["handle"]?.text.flatMap(Base64URL.decode),
            let point = value?["point"]?.text.flatMap(Base64URL.decode)
        else { return nil }
        return StoredKey(handle: handle, point: point)
    }
}
