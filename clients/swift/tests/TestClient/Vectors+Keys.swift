import Bonafide
import Foundation
import SoftwareDevice

/// Keys, signatures, proofs, sealed secrets.
extension Vectors {
    static let thumbprint: Check = { _, one in
        let found = key(one["jwk"])?.thumbprint(cryptography)
        return expect(found == one["thumbprint"]?.text, "\(found ?? "refused")")
    }

    static let keyID: Check = { _, one in
        let found = PublicKey(point: bytes(one["point"]), cryptography)?.keyID(cryptography)
        return expect(found == one["key_id"]?.text, "\(found ?? "refused")")
    }

    static let signature: Check = { _, one in
        let found = ECDSASignature.raw(der: bytes(one["der"])).map(Base64URL.encode)
        return expect(found == one["raw"]?.text, "\(found ?? "refused")")
    }

    static let verifies: Check = { file, one in
        guard let key = key(file["jwk"]) else { return "the key cannot be read" }
        let good = cryptography.verifies(bytes(one["signature"]), message: bytes(file["message"]), point: key.point)
        return expect(good == one["good"]?.flag, "\(good)")
    }

    static let signedBody: Check = { _, one in
        let found = Proof.contentDigest(bytes(one["body"]), cryptography)
        return expect(found == one["content_digest"]?.text, found)
    }

    static let proof: Check = { file, one in
        let own = SoftwareKey.random()
        guard let key = PublicKey(point: own.point, cryptography), let claims = one["claims"], let header = one["header"],
            let proof = Proof(
                method: one["method"]?.text ?? "", url: one["url"]?.text ?? "", token: one["token"]?.text ?? "",
                body: one["body"]?.text.flatMap(Base64URL.decode), nonce: one["nonce"]?.text,
                now: one["now"]?.seconds ?? 0, jti: one["jti"]?.text ?? "", key: key, cryptography)
        else { return "no proof was made" }
        guard proof.claims.says(claims) else { return "claims \(String(decoding: proof.claims.encoded, as: UTF8.self))" }
        let rest = JSON.object(proof.header.members?.filter { $0.name != "jwk" } ?? [])
        let names = (proof.header["jwk"]?.members ?? []).map(\.name).sorted()
        let asked = (file["jwk_members"]?.list ?? []).compactMap(\.text).sorted()
        guard rest.says(header), names == asked else { return "another header" }
        guard let jws = try? CompactJWS.make(header: proof.header, claims: proof.claims, signature: { text in
            ECDSASignature.raw(der: own.sign(text) ?? Data()) ?? Data()
        }) else { return "it was not signed" }
        let opened = CompactJWS.claims(of: jws, by: key, cryptography)
        return expect(opened?.says(claims) == true, "its signature does not hold")
    }

    static let sealedSecret: Check = { _, one in
        let binding = one["binding"]
        let info = SealedSecret.info(
            issuer: binding?["issuer"]?.text ?? "", app: binding?["app"]?.text ?? "",
            keyID: binding?["key_id"]?.text ?? "", name: binding?["name"]?.text ?? "",
            version: binding?["version"]?.whole ?? 0)
        guard info == hex(one["info"]) else { return "another binding" }
        let value = open(one)
        return expect(value == hex(one["value"]), value == nil ? "it did not open" : "another value")
    }

    static let sealedSecretRefused: Check = { _, one in expect(open(one) == nil, "it opened") }

    private static func open(_ one: JSON) -> Data? {
        guard let own = SoftwareKey(scalar: hex(one["private_key"])), let key = PublicKey(point: own.point, cryptography)
        else { return nil }
        let sealed = SealedSecret(enc: hex(one["enc"]), ciphertext: hex(one["ciphertext"]))
        return try? sealed.open(recipient: key, info: hex(one["info"]), cryptography) { own.agree(with: $0) ?? Data() }
    }
}
