import COpenSSL
import Foundation

/// A self-signed certificate, and its SubjectPublicKeyInfo as OpenSSL writes it.
public struct SelfSigned {
    public let certificate: Data
    public let publicKeyInfo: Data

    /// `extraNames` letters make the name longer, and lengths take more bytes.
    public init?(extraNames: Int) {
        guard let key = SoftwareKey.random().loaded(), let x509 = X509_new() else { return nil }
        defer {
            EVP_PKEY_free(key)
            X509_free(x509)
        }
        let name = [UInt8]("bonafide".utf8) + [UInt8](repeating: 0x61, count: min(extraNames, 50))
        X509_set_version(x509, extraNames == 0 ? 0 : 2)
        ASN1_INTEGER_set(X509_get_serialNumber(x509), 7 + extraNames)
        X509_gmtime_adj(X509_getm_notBefore(x509), 0)
        X509_gmtime_adj(X509_getm_notAfter(x509), 3600)
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC_VALUE, name, Int32(name.count), -1, 0)
        X509_set_issuer_name(x509, X509_get_subject_name(x509))
        X509_set_pubkey(x509, key)
        guard X509_sign(x509, key, EVP_sha256()) > 0 else { return nil }
        var output: UnsafeMutablePointer<UInt8>?
        let length = i2d_X509(x509, &output)
        guard length > 0, let bytes = output else { return nil }
        certificate = Data(bytes: bytes, count: Int(length))
        CRYPTO_free(bytes, nil, 0)
        output = nil
        let short = i2d_PUBKEY(key, &output)
        guard short > 0, let info = output else { return nil }
        publicKeyInfo = Data(bytes: info, count: Int(short))
        CRYPTO_free(info, nil, 0)
    }
}

/// OpenSSL's macro MBSTRING_ASC, which Swift does not import.
private let MBSTRING_ASC_VALUE: Int32 = 0x1000 | 1
