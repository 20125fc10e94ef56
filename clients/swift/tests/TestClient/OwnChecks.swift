import Bonafide
import Foundation
import SoftwareDevice

/// What no vector says: certificates taken apart as OpenSSL does.
extension Vectors {
    func ownChecks() -> Bool {
        let made = (0..<3).compactMap { SelfSigned(extraNames: $0 * 40) }
        let wrong = made.filter { Certificate.publicKeyInfo(of: $0.certificate) != $0.publicKeyInfo }
        let cut = made.filter { Certificate.publicKeyInfo(of: $0.certificate.dropLast()) != nil }
        guard made.count == 3, wrong.isEmpty, cut.isEmpty else {
            print("FAILED certificates: \(made.count) made, \(wrong.count) wrong, \(cut.count) cut ones read")
            return false
        }
        print("ok certificates 6 cases")
        return true
    }
}
