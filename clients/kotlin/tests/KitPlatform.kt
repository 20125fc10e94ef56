package io.bonafide.client.tests

import io.bonafide.client.DeviceClock
import io.bonafide.client.RandomBytes
import io.bonafide.client.Storage
import io.bonafide.client.Transport
import io.bonafide.client.TransportAnswer
import io.bonafide.client.TransportRequest
import java.io.File
import java.io.IOException
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.nio.file.Files
import java.nio.file.StandardCopyOption
import java.time.Duration
import java.util.Random
import java.util.concurrent.Executor
import java.util.concurrent.locks.ReentrantLock
import kotlin.concurrent.thread
import kotlin.concurrent.withLock

/** Virtual time [at] (Unix seconds), moved by [pass] and by sleeps alone. The wall clock is wrong by [wrongBy]. */
internal class KitClock(private val began: Double, private val wrongBy: Double = 0.0, private val start: Double = 0.0) : DeviceClock {
    private var now = began

    val at: Double @Synchronized get() = now

    override fun wall(): Double = at + wrongBy

    override fun elapsed(): Double = at - began + start

    override fun sleep(seconds: Double): Unit = pass(seconds)

    @Synchronized
    fun pass(seconds: Double) {
        now += maxOf(0.0, seconds)
    }
}

/** HTTP as the JDK has it, with the kit's time in every request. */
internal class KitTransport(private val clock: KitClock?) : Transport {
    private val client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1)
        .followRedirects(HttpClient.Redirect.NEVER).connectTimeout(Duration.ofSeconds(5)).build()

    override fun send(request: TransportRequest): TransportAnswer {
        if (request.pins != null) throw IOException("pins without TLS")
        val body = request.body?.let(HttpRequest.BodyPublishers::ofByteArray) ?: HttpRequest.BodyPublishers.noBody()
        val builder = HttpRequest.newBuilder(URI(request.url)).timeout(Duration.ofSeconds(5)).method(request.method, body)
        request.headers.forEach(builder::header)
        clock?.let { builder.header("Kit-Time", it.at.toBigDecimal().toPlainString()) }
        val answer = try {
            client.send(builder.build(), HttpResponse.BodyHandlers.ofInputStream())
        } catch (error: InterruptedException) {
            throw IOException(error)
        }
        val bytes = answer.body().use { it.readNBytes(request.mostBytes + 1) }
        if (bytes.size > request.mostBytes) throw IOException("too long")
        return TransportAnswer(answer.statusCode(), answer.headers().map().mapValues { it.value.first() }, bytes)
    }
}

/** The record in a file. */
internal class FileStorage(private val file: File) : Storage {
    private val lock = ReentrantLock()

    /** Whether every use fails. */
    @Volatile
    var broken: Boolean = false

    override fun load(): ByteArray? {
        if (broken) throw IOException("broken")
        return if (file.exists()) file.readBytes() else null
    }

    override fun save(record: ByteArray) {
        if (broken) throw IOException("broken")
        val other = File(file.path + ".new")
        other.writeBytes(record)
        Files.move(other.toPath(), file.toPath(), StandardCopyOption.ATOMIC_MOVE)
    }

    override fun <T> exclusively(action: () -> T): T = lock.withLock(action)
}

/** Chance that can be repeated. */
internal class SeededRandom(seed: Long) : RandomBytes {
    private val random = Random(seed)

    @Synchronized
    override fun next(count: Int): ByteArray = ByteArray(count).also(random::nextBytes)
}

/** Work that no caller waits for, and a way for tests to wait for its end. */
internal class Background : Executor {
    private val lock = ReentrantLock()
    private val ended = lock.newCondition()
    private var running = 0

    override fun execute(command: Runnable) {
        lock.withLock { running++ }
        thread(isDaemon = true) {
            try {
                command.run()
            } finally {
                lock.withLock {
                    running--
                    ended.signalAll()
                }
            }
        }
    }

    fun join() {
        lock.withLock { while (running > 0) ended.await() }
    }
}
