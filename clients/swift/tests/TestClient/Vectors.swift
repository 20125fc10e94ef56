import Bonafide
import Foundation
import SoftwareDevice

/// Runs the repository's vectors: one line per file, and one per case that failed.
struct Vectors {
    let folder: String
    static let cryptography = OpenSSL()

    /// `nil` when the case holds, else why not.
    typealias Check = @Sendable (_ file: JSON, _ one: JSON) async -> String?

    /// By file the lists of cases that concern a client, each with its check.
    static let checks: [(file: String, lists: [(String, Check)])] = [
        ("client-data.json", [("cases", clientData), ("texts", clientText)]),
        ("client-policies.json", [("cases", policy), ("documents", document), ("builds", build)]),
        ("clock-offsets.json", [("cases", clockOffset)]),
        ("key-ids.json", [("cases", keyID)]),
        ("pins.json", [("cases", pins)]),
        ("proofs.json", [("makes", proof)]),
        ("refusals.json", [("cases", refusal), ("advice", advice)]),
        ("root-sets.json", [("cases", rootSet), ("built_in_sets", builtInSet)]),
        ("sealed-secrets.json", [("opens", sealedSecret), ("refused", sealedSecretRefused)]),
        ("signatures.json", [("cases", signature), ("verifies", verifies)]),
        ("signed-bodies.json", [("cases", signedBody)]),
        ("thumbprints.json", [("cases", thumbprint)]),
        ("token-answers.json", [("cases", tokenAnswer)]),
        ("waits.json", [("cases", wait)]),
    ]

    /// Whether all hold. Files that are named must be there and have checks.
    func run(only names: [String]) async -> Bool {
        var good = true
        for name in names where !Self.checks.contains(where: { $0.file == name }) {
            print("FAILED \(name): no client is checked by this file")
            good = false
        }
        if names.isEmpty { good = ownChecks() && good }
        for check in Self.checks where names.isEmpty || names.contains(check.file) {
            good = await run(check.file, check.lists) && good
        }
        return good
    }

    private func run(_ name: String, _ lists: [(String, Check)]) async -> Bool {
        guard let data = FileManager.default.contents(atPath: "\(folder)/\(name)"),
            let file = try? JSONReader.read(data, droppingLoneSurrogates: true)
        else {
            print("FAILED \(name): cannot be read")
            return false
        }
        var count = 0
        var failed = false
        for (list, check) in lists {
            let cases = file[list]?.list ?? []
            if cases.isEmpty {
                print("FAILED \(name): no cases in \(list)")
                failed = true
            }
            for one in cases {
                count += 1
                guard let why = await check(file, one) else { continue }
                failed = true
                print("FAILED \(name): \(one["case"]?.text ?? one["attack"]?.text ?? "?"): \(why)")
            }
        }
        if !failed { print("ok \(name) \(count) cases") }
        return !failed
    }

    static func expect(_ isGood: Bool, _ why: @autoclosure () -> String) -> String? { isGood ? nil : why() }

    static func bytes(_ value: JSON?) -> Data { value?.text.flatMap(Base64URL.decode) ?? Data() }

    static func hex(_ value: JSON?) -> Data {
        let digits = Array(value?.text ?? "")
        return Data(stride(from: 0, to: digits.count - 1, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) })
    }

    static func key(_ value: JSON?) -> PublicKey? { value.flatMap { PublicKey(jwk: $0, cryptography) } }
}
