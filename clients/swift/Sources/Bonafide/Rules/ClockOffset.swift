import Foundation

/// How far the device's clock is from the verifier's, by the `Date` of its answers.
package enum ClockOffset: Sendable, Equatable {
    case unchanged
    case seconds(Double)
    /// More than a day: nobody's drift, so not applied. The person must set the clock.
    case tooLarge

    private static let negligible = 2.0
    private static let longestExchange = 10.0
    static let bound = 86_400.0

    /// `sent` and `received` by the device's clock: the offset is taken at the middle between them.
    package init(date: String?, sent: Double, received: Double) {
        guard let server = date.flatMap(HTTPDate.read), received >= sent, received - sent <= Self.longestExchange else {
            self = .unchanged
            return
        }
        let offset = server - (sent + received) / 2
        if abs(offset) > Self.bound {
            self = .tooLarge
        } else {
            self = .seconds(abs(offset) < Self.negligible ? 0 : offset)
        }
    }
}

/// Dates of HTTP (IMF-fixdate, RFC 9110 §5.6.7), as Unix seconds. Written here because a `DateFormatter` obeys the
/// device's calendar and locale.
enum HTTPDate {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    private static let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]

    static func read(_ text: String) -> Double? {
        let parts = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 6, parts[5] == "GMT", days.contains(where: { parts[0] == $0 + "," }),
            let day = number(parts[1], digits: 2), let month = months.firstIndex(of: parts[2]),
            let year = number(parts[3], digits: 4)
        else { return nil }
        let time = parts[4].split(separator: ":", omittingEmptySubsequences: false).map { number(String($0), digits: 2) }
        guard time.count == 3, let hour = time[0], let minute = time[1], let second = time[2], hour < 24, minute < 60,
            second < 60
        else { return nil }
        return seconds(year: year, month: month + 1, day: day).map { $0 + Double(hour * 3600 + minute * 60 + second) }
    }

    /// Midnight of a day in UTC; `nil` where there is no such day. By counting days from March, so that the leap day
    /// comes last.
    static func seconds(year: Int, month: Int, day: Int) -> Double? {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard (1...12).contains(month), (1...lengths[month - 1]).contains(day), year >= 1 else { return nil }
        let shifted = month > 2 ? year : year - 1
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        let days = 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
        return Double(days) * 86_400
    }

    static func number(_ text: String, digits: Int) -> Int? {
        guard text.utf8.count == digits, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int(text)
    }
}
