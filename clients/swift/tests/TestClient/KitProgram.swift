import Bonafide
import Foundation
import SoftwareDevice

/// Obeys the kit: one JSON command per line on standard input, one JSON answer per line on standard output.
/// docs/client-kit.md has the protocol.
final class KitProgram {
    private let settings: JSON
    private let time: VirtualTime
    private let keys: SoftwareKeys
    private let random: SeededRandomness
    private var client: Bonafide

    static func run(configuration path: String) async {
        guard let data = FileManager.default.contents(atPath: path), let settings = try? JSONReader.read(data),
            let program = KitProgram(settings)
        else {
            FileHandle.standardError.write(Data("The configuration cannot be used.\n".utf8))
            exit(2)
        }
        while let line = readLine() {
            guard let command = try? JSONReader.read(Data(line.utf8)), command["do"]?.text != "quit" else { return }
            let answer = await program.obey(command)
            await program.client.settled()
            FileHandle.standardOutput.write(answer.encoded + [0x0A])
        }
    }

    private init?(_ settings: JSON) {
        let texts = ["app", "app_build", "evidence_url", "state_dir"].compactMap { settings[$0]?.text }
        guard texts.count == 4 else { return nil }
        self.settings = settings
        time = VirtualTime(
            at: settings["now"]?.seconds ?? Date().timeIntervalSince1970, wrongBy: settings["clock_offset"]?.seconds ?? 0,
            monotonicStart: settings["monotonic_start"]?.seconds ?? 0)
        keys = SoftwareKeys(
            evidence: texts[2], app: texts[0], build: texts[1], release: settings["release"]?.text, time: time,
            folder: texts[3])
        random = SeededRandomness(seed: UInt64(settings["seed"]?.whole ?? 1))
        guard let client = Self.start(settings, time, keys, random) else { return nil }
        self.client = client
    }

    private static func start(
        _ settings: JSON, _ time: VirtualTime, _ keys: SoftwareKeys, _ random: SeededRandomness
    ) -> Bonafide? {
        guard let roots = settings["root_set"], let members = settings["regions"]?.members else { return nil }
        let regions = Dictionary(members.map { ($0.name, $0.value.text ?? "") }, uniquingKeysWith: { $1 })
        let guarded = settings["guarded_urls"]?.list?.compactMap(\.text) ?? [settings["guarded_url"]?.text ?? ""]
        let text = { (name: String) in settings[name]?.text ?? "" }
        let configuration = try? Configuration(
            app: text("app"), issuer: text("issuer"), roots: roots.encoded, regions: regions, home: text("home"),
            guarded: guarded, cryptography: OpenSSL(), allowsPlainLoopback: true)
        let facts = AppFacts(platform: text("platform"), build: text("app_build"), os: text("os"), model: text("model"))
        let device = Device(
            facts: facts, cryptography: OpenSSL(), attestedKeys: keys, enclave: keys,
            transport: LoopbackTransport(time: time), storage: FileStorage(folder: text("state_dir")), clock: time,
            random: random, lock: NoLock())
        return configuration.map { Bonafide($0, on: device) }
    }

    private func obey(_ command: JSON) async -> JSON {
        switch command["do"]?.text {
        case "request": return await request(command)
        case "policy": return Self.json(await client.policy)
        case "signal":
            let signal = Signal(command["name"]?.text ?? "", detail: command["detail"]?.text)
            do { return .of(("status", .int(Int64(try await client.report(signal).status)))) } catch { return Self.json(error) }
        case "secret":
            do {
                let secret = try await client.secret(command["name"]?.text ?? "")
                return .of(("value", .string(Base64URL.encode(secret.value))), ("version", .int(secret.version)))
            } catch { return Self.json(error) }
        case "restart":
            guard let fresh = Self.start(settings, time, keys, random) else { return .of(("unsupported", .bool(true))) }
            client = fresh
            return .object([])
        case "lose-key":
            keys.lose()
            return .object([])
        case "cannot-attest":
            let code = command["code"]?.text
            keys.fail(with: code.map { DeviceFailure.Code(rawValue: $0) ?? .other })
            return .object([])
        case "advance":
            time.advance(command["seconds"]?.seconds ?? 0)
            return .object([])
        default: return .of(("unsupported", .bool(true)))
        }
    }

    private func request(_ command: JSON) async -> JSON {
        let path = command["path"]?.text ?? "/"
        let url = path.contains("://") ? path : (settings["guarded_url"]?.text ?? "") + path
        let method = command["method"]?.text ?? "GET"
        let body = command["body"]?.text.map { Data($0.utf8) }
        let feature = command["feature"]?.text
        let deadline = command["deadline"]?.seconds ?? 30
        let client = client
        return await withTaskGroup(of: JSON.self) { group in
            for _ in 0..<max(1, command["count"]?.whole ?? 1) {
                group.addTask {
                    await Self.send(client, method, url, body: body, feature: feature, deadline: deadline)
                }
            }
            var answers: [JSON] = []
            for await answer in group { answers.append(answer) }
            return .of(("answers", .array(answers)))
        }
    }

    private static func send(
        _ client: Bonafide, _ method: String, _ url: String, body: Data?, feature: String?, deadline: Double
    ) async -> JSON {
        do {
            let answer = try await client.request(method, url, body: body, feature: feature, deadline: deadline)
            return .of(
                ("status", .int(Int64(answer.status))), ("body", .string(String(decoding: answer.body, as: UTF8.self))))
        } catch { return json(error) }
    }

    private static func json(_ error: BonafideError) -> JSON {
        .of(("error", .of(
            ("code", .string(error.code.rawValue)), ("fault", .string(error.fault.rawValue)),
            ("action", .string(error.action.rawValue)), ("support_code", error.supportCode.map { .string($0) } ?? .null),
            ("retry_after", error.retryAfter.map { .int(Int64($0)) } ?? .null),
            ("advice", .array(error.advice.map { .string($0) })))))
    }

    private static func json(_ policy: Policy) -> JSON {
        let reactions = policy.reactions.mapValues { JSON.string($0) }
            .merging(policy.off.map { ($0, JSON.null) }) { $1 }.sorted { $0.key < $1.key }
        return .of(
            ("version", .int(policy.version)), ("reactions", .object(reactions.map { .init($0.key, $0.value) })),
            ("features_off", .array(policy.featuresOff.sorted().map { .string($0) })),
            ("stopped", .bool(policy.stopped != nil)))
    }
}
