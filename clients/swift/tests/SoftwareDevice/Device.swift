import Bonafide
import Foundation

/// A record in a file, changed in one step within this process.
public final class FileStorage: Storage, @unchecked Sendable {
    private let file: URL
    private let lock = NSLock()

    public init(folder: String) { file = URL(fileURLWithPath: folder).appendingPathComponent("record.json") }

    public func load() throws(StorageFailure) -> Data? { lock.withLock { try? Data(contentsOf: file) } }

    public func change(_ change: (Data?) -> Data) throws(StorageFailure) {
        lock.lock()
        defer { lock.unlock() }
        do { try change(try? Data(contentsOf: file)).write(to: file, options: .atomic) } catch { throw StorageFailure() }
    }
}

/// One process, one client at a time: the actor keeps its flights apart.
public struct NoLock: ProcessLock {
    public init() {}
    public func acquire() async {}
    public func release() {}
}

/// The core's transport over ``LoopbackHTTP``, which tells the kit the virtual time of each request.
public struct LoopbackTransport: Transport {
    private let time: VirtualTime?

    public init(time: VirtualTime?) { self.time = time }

    public func send(_ request: Outgoing) async throws(TransportFailure) -> Answer {
        let headers = time.map { request.headers.merging(["Kit-Time": String($0.now)]) { $1 } } ?? request.headers
        let result = await Self.blocking {
            Result<LoopbackHTTP.Reply, LoopbackHTTP.Failure> { () throws(LoopbackHTTP.Failure) in
                try LoopbackHTTP.send(
                    request.method, request.url, headers: headers, body: request.body, longest: request.longestAnswer)
            }
        }
        switch result {
        case .success(let reply): return Answer(status: reply.status, headers: reply.headers, body: reply.body)
        case .failure(.notSent): throw .notSent
        case .failure(.broken): throw .broken
        case .failure(.timeout): throw .timeout
        case .failure(.tooLong): throw .tooLong
        }
    }

    /// Sockets block: never a thread of Swift's own pool.
    static func blocking<T: Sendable>(_ work: @escaping @Sendable () -> T) async -> T {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: work()) }
        }
    }
}

/// App Attest, played by the evidence service, and keys in a file that stand for the Secure Enclave.
public final class SoftwareKeys: AttestedKeys, EnclaveKeys, @unchecked Sendable {
    private let evidence: String
    private let app: String
    private let build: String
    private let release: String?
    private let time: VirtualTime?
    private let folder: URL
    private let lock = NSLock()
    private var failure: DeviceFailure.Code?

    public init(evidence: String, app: String, build: String, release: String?, time: VirtualTime?, folder: String) {
        self.evidence = evidence
        self.app = app
        self.build = build
        self.release = release
        self.time = time
        self.folder = URL(fileURLWithPath: folder)
    }

    /// From now on every use of a key fails with this; `nil` ends it.
    public func fail(with code: DeviceFailure.Code?) { lock.withLock { failure = code } }

    /// What a restore to another device does: names stay, keys are gone.
    public func lose() {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [] where name.hasPrefix("key-") {
            try? FileManager.default.removeItem(at: folder.appendingPathComponent(name))
        }
    }

    private func work() throws(DeviceFailure) {
        if let code = lock.withLock({ failure }) { throw DeviceFailure(code) }
    }

    // App Attest.

    public func make() async throws(DeviceFailure) -> String {
        try work()
        let answer = try await ask("/apple/keys", [("app", app)])
        guard let name = answer["key_id"]?.text else { throw DeviceFailure(.keyGenerationFailed) }
        keep(Data(name.utf8), name: Self.file(name))
        return name
    }

    public func attest(_ name: String, clientDataHash: Data) async throws(DeviceFailure) -> Data {
        try await evidence("/apple/attest", "attestation_object", name, clientDataHash, .attestationFailed)
    }

    public func assert(_ name: String, clientDataHash: Data) async throws(DeviceFailure) -> Data {
        try await evidence("/apple/assert", "assertion", name, clientDataHash, .signingFailed)
    }

    private func evidence(
        _ path: String, _ member: String, _ name: String, _ hash: Data, _ code: DeviceFailure.Code
    ) async throws(DeviceFailure) -> Data {
        try work()
        guard found(Self.file(name)) != nil else { throw DeviceFailure(.keyLost) }
        let asked = [("key_id", name), ("client_data_hash", Base64URL.encode(hash)), ("app", app)]
        guard let made = try await ask(path, asked)[member]?.text.flatMap(Base64URL.decode) else { throw DeviceFailure(code) }
        return made
    }

    private func ask(_ path: String, _ members: [(String, String)]) async throws(DeviceFailure) -> JSON {
        var pairs = members.map { JSON.Member($0.0, .string($0.1)) }
        if path == "/apple/keys" {
            pairs.append(.init("app_build", .string(build)))
            if let release { pairs.append(.init("release", .string(release))) }
        }
        let body = JSON.object(pairs).encoded
        var headers = ["Content-Type": "application/json"]
        if let time { headers["Kit-Time"] = String(time.now) }
        let (url, fields) = (evidence + path, headers)
        let reply = await LoopbackTransport.blocking {
            try? LoopbackHTTP.send("POST", url, headers: fields, body: body, longest: 1 << 20)
        }
        guard let reply, reply.status < 300, let answer = try? JSONReader.read(reply.body) else {
            throw DeviceFailure(.vendorError)
        }
        return answer
    }

    // The Secure Enclave. A handle names a file.

    public func makeSigningKey() throws(DeviceFailure) -> StoredKey { try makeKey() }
    public func makeSealingKey() throws(DeviceFailure) -> StoredKey { try makeKey() }

    private func makeKey() throws(DeviceFailure) -> StoredKey {
        try work()
        let key = SoftwareKey.random()
        let name = "enclave-" + Base64URL.encode(OpenSSL().sha256(key.point)).prefix(16)
        keep(key.scalar, name: name)
        return StoredKey(handle: Data(name.utf8), point: key.point)
    }

    private func key(_ handle: Data) throws(DeviceFailure) -> SoftwareKey {
        try work()
        guard let scalar = found(String(decoding: handle, as: UTF8.self)), let key = SoftwareKey(scalar: scalar) else {
            throw DeviceFailure(.keyLost)
        }
        return key
    }

    public func sign(_ message: Data, with handle: Data) throws(DeviceFailure) -> Data {
        guard let signature = try key(handle).sign(message).flatMap({ ECDSASignature.raw(der: $0) }) else {
            throw DeviceFailure(.signingFailed)
        }
        return signature
    }

    public func agree(with point: Data, handle: Data) throws(DeviceFailure) -> Data {
        guard let secret = try key(handle).agree(with: point) else { throw DeviceFailure(.signingFailed) }
        return secret
    }

    private static func file(_ name: String) -> String { "key-" + Base64URL.encode(Data(name.utf8)) }
    private func keep(_ data: Data, name: String) { try? data.write(to: folder.appendingPathComponent(name), options: .atomic) }
    private func found(_ name: String) -> Data? { try? Data(contentsOf: folder.appendingPathComponent(name)) }
}
