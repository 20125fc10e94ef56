package io.bonafide.client.android

import android.net.http.X509TrustManagerExtensions
import io.bonafide.client.Transport
import io.bonafide.client.TransportAnswer
import io.bonafide.client.TransportRequest
import java.io.ByteArrayOutputStream
import java.io.IOException
import java.net.HttpURLConnection
import java.net.SocketTimeoutException
import java.net.URL
import java.security.KeyStore
import java.security.MessageDigest
import java.security.cert.CertificateException
import java.security.cert.X509Certificate
import java.util.concurrent.Executors
import java.util.concurrent.ScheduledExecutorService
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicBoolean
import javax.net.ssl.HttpsURLConnection
import javax.net.ssl.SSLPeerUnverifiedException
import javax.net.ssl.TrustManagerFactory
import javax.net.ssl.X509TrustManager
import kotlin.io.encoding.Base64

/**
 * HTTP by `HttpURLConnection`. The platform verifies TLS by the app's network security configuration; pins come on top, by the
 * chain as it was verified, before anything of the request is sent.
 */
public class UrlTransport : Transport {
    private val deadlines: ScheduledExecutorService = Executors.newSingleThreadScheduledExecutor { action ->
        Thread(action, "bonafide-deadlines").apply { isDaemon = true }
    }

    override fun send(request: TransportRequest): TransportAnswer {
        val connection = URL(request.url).openConnection() as HttpURLConnection
        val late = AtomicBoolean()
        val milliseconds = (request.timeout * 1000).toInt()
        // Time-outs of single reads would let an answer come a byte a minute.
        val watch = deadlines.schedule({
            late.set(true)
            connection.disconnect()
        }, milliseconds.toLong(), TimeUnit.MILLISECONDS)
        try {
            prepare(connection, request, milliseconds)
            connection.connect()
            request.pins?.let { requirePin(connection, it) }
            request.body?.let { body -> connection.outputStream.use { it.write(body) } }
            val answer = read(connection, request.mostBytes)
            if (late.get()) throw SocketTimeoutException("the answer takes too long")
            return answer
        } catch (error: RuntimeException) {
            throw IOException(error) // what disconnecting under way makes of some versions of the platform
        } finally {
            watch.cancel(false)
            connection.disconnect()
        }
    }

    private fun prepare(connection: HttpURLConnection, request: TransportRequest, milliseconds: Int) {
        connection.instanceFollowRedirects = false
        connection.useCaches = false
        connection.connectTimeout = milliseconds
        connection.readTimeout = milliseconds
        connection.requestMethod = request.method
        request.headers.forEach(connection::setRequestProperty)
        request.body?.let {
            connection.doOutput = true
            connection.setFixedLengthStreamingMode(it.size) // a body that is streamed is never sent twice
        }
    }

    private fun read(connection: HttpURLConnection, mostBytes: Int): TransportAnswer {
        val status = connection.responseCode
        val headers = connection.headerFields.filterKeys { name: String? -> name != null }
            .mapKeys { it.key.lowercase() }.mapValues { it.value.first() }
        val stream = if (status >= 400) connection.errorStream else connection.inputStream
        val bytes = ByteArrayOutputStream()
        stream?.use {
            val buffer = ByteArray(8192)
            while (true) {
                val count = it.read(buffer)
                if (count < 0) break
                bytes.write(buffer, 0, count)
                if (bytes.size() > mostBytes) throw IOException("the answer is too long")
            }
        }
        return TransportAnswer(status, headers, bytes.toByteArray())
    }

    private fun requirePin(connection: HttpURLConnection, pins: Set<String>) {
        val secure = connection as? HttpsURLConnection ?: throw SSLPeerUnverifiedException("pins without TLS")
        val shown = secure.serverCertificates.filterIsInstance<X509Certificate>().toTypedArray()
        val verified = try {
            X509TrustManagerExtensions(TRUST).checkServerTrusted(shown, shown[0].publicKey.algorithm, connection.url.host)
        } catch (error: CertificateException) {
            throw SSLPeerUnverifiedException(error.message)
        }
        val sound = verified.any { Base64.encode(MessageDigest.getInstance("SHA-256").digest(it.publicKey.encoded)) in pins }
        if (!sound) throw SSLPeerUnverifiedException("the host shows none of the pinned keys")
    }

    private companion object {
        val TRUST: X509TrustManager by lazy {
            TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm()).run {
                init(null as KeyStore?)
                trustManagers.filterIsInstance<X509TrustManager>().first()
            }
        }
    }
}
