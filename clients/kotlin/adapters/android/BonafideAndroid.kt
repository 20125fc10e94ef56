package io.bonafide.client.android

import android.content.Context
import android.content.pm.PackageInfo
import android.os.Build
import android.os.SystemClock
import io.bonafide.client.AppFacts
import io.bonafide.client.Bonafide
import io.bonafide.client.BonafideConfig
import io.bonafide.client.DeviceClock
import io.bonafide.client.DeviceVerdict
import io.bonafide.client.Platform
import io.bonafide.client.RandomBytes
import java.security.SecureRandom
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.ThreadPoolExecutor
import java.util.concurrent.TimeUnit

/** The client on Android. */
public object BonafideAndroid {
    /** Make one object for each process, and not on the main thread: it reads a file. */
    @JvmStatic
    @JvmOverloads
    public fun create(context: Context, config: BonafideConfig, verdict: DeviceVerdict? = null): Bonafide =
        Bonafide(config, platform(context.applicationContext, config, verdict))

    /** The parts, for an app that replaces some of them. */
    @JvmStatic
    public fun platform(context: Context, config: BonafideConfig, verdict: DeviceVerdict?): Platform {
        val random = SecureRandom()
        return Platform(
            AndroidKeys(context),
            UrlTransport(),
            SealedStorage(context, config.app),
            AndroidClock,
            RandomBytes { count -> ByteArray(count).also(random::nextBytes) },
            AppFacts(build(context), "Android ${Build.VERSION.RELEASE}", Build.MODEL),
            background(),
            verdict,
        )
    }

    /** The version code: what evidence proves of the build, too. */
    private fun build(context: Context): String {
        val info = context.packageManager.getPackageInfo(context.packageName, 0)
        return (if (Build.VERSION.SDK_INT >= 28) info.longVersionCode else old(info)).toString()
    }

    @Suppress("DEPRECATION")
    private fun old(info: PackageInfo): Long = info.versionCode.toLong()

    private fun background() = ThreadPoolExecutor(0, 2, 30, TimeUnit.SECONDS, LinkedBlockingQueue(64)) { action ->
        Thread(action, "bonafide").apply { isDaemon = true }
    }.apply {
        corePoolSize = 2
        allowCoreThreadTimeOut(true)
    }
}

/** Time on Android. `elapsedRealtime` counts while the phone sleeps, and is never set. */
internal object AndroidClock : DeviceClock {
    override fun wall(): Double = System.currentTimeMillis() / 1000.0

    override fun elapsed(): Double = SystemClock.elapsedRealtime() / 1000.0

    override fun sleep(seconds: Double): Unit = SystemClock.sleep((seconds * 1000).toLong() + 1)
}
