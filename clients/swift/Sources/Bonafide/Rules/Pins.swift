import Foundation

/// Which public keys one host may show: SHA-256 of SubjectPublicKeyInfo.
package struct PinSet: Sendable, Equatable {
    package let host: String
    package let includesSubdomains: Bool
    /// Unix seconds from which the set is not applied, so that an app without updates does not lock itself out.
    package let expires: Double
    package let keys: Set<Data>

    /// `nil` where a member is not of its type: half a document is none.
    package init?(_ member: JSON) {
        guard let host = member["host"]?.text, Self.isHost(host), let listed = member["spki_sha256"]?.list,
            let expires = member["expires"]?.text.flatMap(Self.moment)
        else { return nil }
        if let flag = member["include_subdomains"], flag.flag == nil { return nil }
        let keys = listed.compactMap { $0.text.flatMap(Self.digest) }
        guard keys.count == listed.count, !keys.isEmpty else { return nil }
        self.host = host
        includesSubdomains = member["include_subdomains"]?.flag ?? false
        self.expires = expires
        self.keys = Set(keys)
    }

    /// Base64 in its one spelling, of 32 bytes.
    private static func digest(_ text: String) -> Data? {
        guard let data = Data(base64Encoded: text), data.count == 32, sameBytes(data.base64EncodedString(), text) else {
            return nil
        }
        return data
    }

    /// A name of the DNS in lower case with at least two labels, the last of which begins with a letter.
    private static func isHost(_ host: String) -> Bool {
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        return labels.count >= 2 && labels.last?.utf8.first.map { (0x61...0x7A).contains($0) } == true
            && labels.allSatisfy { label in
                (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
                    && label.utf8.allSatisfy { "abcdefghijklmnopqrstuvwxyz0123456789-".utf8.contains($0) }
            }
    }

    private func matches(_ name: String) -> Bool {
        sameBytes(name, host) || includesSubdomains && name.hasSuffix("." + host)
    }

    /// Whether a verified chain (leaf first) is good for `host`: by the set with the longest name, and only by that.
    package static func trust(_ sets: [PinSet], host: String, chain: [Data], now: Double) -> Bool {
        var name = host.lowercased()
        if name.hasSuffix(".") { name.removeLast() }
        let matching = sets.filter { $0.matches(name) }
        guard let set = matching.max(by: { $0.host.utf8.count < $1.host.utf8.count }), now < set.expires else { return true }
        return chain.contains { set.keys.contains($0) }
    }

    /// `2027-06-30` (its first second, UTC) or `2027-06-30T18:00:00Z`.
    private static func moment(_ text: String) -> Double? {
        let halves = text.split(separator: "T", omittingEmptySubsequences: false).map(String.init)
        let date = halves[0].split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        guard date.count == 3, let year = HTTPDate.number(date[0], digits: 4),
            let month = HTTPDate.number(date[1], digits: 2), let day = HTTPDate.number(date[2], digits: 2),
            let midnight = HTTPDate.seconds(year: year, month: month, day: day)
        else { return nil }
        guard halves.count > 1 else { return midnight }
        guard halves.count == 2, halves[1].hasSuffix("Z") else { return nil }
        let time = halves[1].dropLast().split(separator: ":", omittingEmptySubsequences: false)
            .map { HTTPDate.number(String($0), digits: 2) }
        guard time.count == 3, let hour = time[0], let minute = time[1], let second = time[2], hour < 24, minute < 60,
            second < 60
        else { return nil }
        return midnight + Double(hour * 3600 + minute * 60 + second)
    }
}
