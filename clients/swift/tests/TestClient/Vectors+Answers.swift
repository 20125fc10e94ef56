import Bonafide
import Foundation

/// Answers: refusals, waits, clocks, tokens.
extension Vectors {
    static let refusal: Check = { _, one in
        guard let call = one["call"]?.text.flatMap(Call.init(rawValue:)) else { return "another call" }
        let headers = (one["headers"]?.members ?? []).map { ($0.name, $0.value.text ?? "") }
        let reply = one["status"]?.whole.map { status in
            Reply(
                status: Int(status), headers: Dictionary(headers, uniquingKeysWith: { $1 }),
                body: Data((one["body"]?.text ?? "").utf8))
        }
        let clock = ClockOffset(
            date: reply?.headers["date"], sent: one["sent_at"]?.seconds ?? 0, received: one["received_at"]?.seconds ?? 0)
        let reaction = Reaction(
            to: reply, of: call, method: one["method"]?.text ?? "", refusals: Int(one["refusals_in_a_row"]?.whole ?? 1),
            clock: one["sent_at"] == nil ? .unchanged : clock)
        guard reaction.does.rawValue == one["does"]?.text else { return reaction.does.rawValue }
        let bounds = one["wait"]?.list?.compactMap(\.seconds)
        guard reaction.wait.map({ [$0.lowerBound, $0.upperBound] }) == bounds else { return "waits \(String(describing: reaction.wait))" }
        let (error, expected) = (reaction.error, one["error"]?.members == nil ? nil : one["error"])
        let good = (error == nil) == (expected == nil) && error?.code.rawValue == expected?["code"]?.text
            && error?.fault.rawValue == expected?["fault"]?.text && error?.action.rawValue == expected?["action"]?.text
        return expect(good, "error \(String(describing: error))")
    }

    static let advice: Check = { _, one in
        let words = (one["advice"]?.list ?? []).compactMap(\.text)
        let found = BonafideError.Action(advice: words).rawValue
        return expect(found == one["action"]?.text, found)
    }

    static let wait: Check = { _, one in
        let bounds = Wait.bounds(retryAfter: one["retry_after"]?.text, refusals: Int(one["refusals"]?.whole ?? 0))
        let good = bounds.lowerBound == one["least"]?.seconds && bounds.upperBound == one["most"]?.seconds
        return expect(good, "\(bounds)")
    }

    static let clockOffset: Check = { _, one in
        let found = ClockOffset(
            date: one["date"]?.text, sent: one["sent_at"]?.seconds ?? 0, received: one["received_at"]?.seconds ?? 0)
        let expected: ClockOffset
        if let seconds = one["offset"]?.seconds {
            expected = .seconds(seconds)
        } else {
            expected = one["offset"]?.text == "too-large" ? .tooLarge : .unchanged
        }
        return expect(found == expected, "\(found)")
    }

    static let tokenAnswer: Check = { _, one in
        let body = Data((one["body"]?.text ?? "").utf8)
        let found = Reply(status: 200, headers: [:], body: body).json.flatMap { Bonafide.Minted($0) }?.life
        guard let expected = one["usable"], expected.members != nil else { return expect(found == nil, "it was used") }
        guard let found else { return "it was not used" }
        let near = { (one: Double, two: Double?) in abs(one - (two ?? .infinity)) < 0.001 }
        let good = near(found.seconds, expected["seconds"]?.seconds)
            && near(found.renewal.lowerBound, expected["renew_from"]?.seconds)
            && near(found.renewal.upperBound, expected["renew_until"]?.seconds)
        return expect(good, "\(found)")
    }
}
