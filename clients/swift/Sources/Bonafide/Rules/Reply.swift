import Foundation

/// An answer of HTTP as the rules see it. `nil` in place of a reply means that there was no answer.
package struct Reply: Sendable {
    package let status: Int
    /// Names in lower case.
    package let headers: [String: String]
    package let body: Data

    static let longest = 64 * 1024

    /// What stands for an answer that came and cannot be used.
    static let unusable = Reply(status: 502, headers: [:], body: Data())

    package init(status: Int, headers: [String: String], body: Data) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The body as a JSON object; `nil` where it is none.
    package var json: JSON? {
        guard body.count <= Self.longest, let value = try? JSONReader.read(body), value.members != nil else { return nil }
        return value
    }
}

/// What an answer says of itself: its problem document (RFC 9457), and where that says nothing the challenge of a 401.
struct Problem: Sendable {
    /// The last part of `type`, or the challenge's `error`; empty where there is none.
    private(set) var slug = ""
    private(set) var retry = ""
    private(set) var action = ""
    private(set) var supportCode: String?
    private(set) var advice: [String] = []
    private(set) var home: String?

    /// `nil` where a known member is of another type: then nothing of the answer can be relied on.
    private init?(_ value: JSON) {
        for name in ["type", "retry", "action", "support_code", "home"] {
            if let member = value[name], member.text == nil { return nil }
        }
        if let member = value["advice"] {
            guard let words = member.list, words.allSatisfy({ $0.text != nil }) else { return nil }
            advice = words.compactMap(\.text)
        }
        slug = value["type"]?.text?.split(separator: "/").last.map(String.init) ?? ""
        retry = value["retry"]?.text ?? ""
        action = value["action"]?.text ?? ""
        supportCode = value["support_code"]?.text
        home = value["home"]?.text
    }

    private init() {}

    /// Of the verifier, `nil` for an answer that cannot be used. What a guarded API says in other words is its own
    /// business, so that is no problem of ours.
    static func of(_ reply: Reply, _ call: Call) -> Problem? {
        if call != .guarded && reply.body.count > Reply.longest { return nil }
        guard var problem = reply.json.map({ Problem($0) ?? (call == .guarded ? Problem() : nil) }) ?? Problem() else {
            return nil
        }
        if reply.status == 401, let challenge = reply.headers["www-authenticate"] {
            if problem.slug.isEmpty { problem.slug = parameter("error", of: challenge) }
            if problem.action.isEmpty { problem.action = parameter("action", of: challenge) }
        }
        return problem
    }

    /// `name="…"` of a `WWW-Authenticate` header; empty where it is absent.
    private static func parameter(_ name: String, of challenge: String) -> String {
        for separator in [" ", ",", "\t"] {
            guard let start = challenge.range(of: "\(separator)\(name)=\"") else { continue }
            return challenge[start.upperBound...].split(separator: "\"", omittingEmptySubsequences: false).first
                .map(String.init) ?? ""
        }
        return ""
    }
}
