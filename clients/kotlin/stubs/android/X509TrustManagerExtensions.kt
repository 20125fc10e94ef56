package android.net.http

import java.security.cert.X509Certificate
import javax.net.ssl.X509TrustManager

/** https://developer.android.com/reference/android/net/http/X509TrustManagerExtensions */
public class X509TrustManagerExtensions(@Suppress("unused") tm: X509TrustManager) {
    /** The chain as it was verified, root included. Throws CertificateException. */
    public fun checkServerTrusted(chain: Array<X509Certificate>, authType: String, host: String): List<X509Certificate> =
        throw UnsupportedOperationException("${chain.size} $authType $host")
}
