package android.content.pm

/** https://developer.android.com/reference/android/content/pm/PackageManager */
public abstract class PackageManager {
    public abstract fun getPackageInfo(packageName: String, flags: Int): PackageInfo

    public abstract fun hasSystemFeature(name: String): Boolean
}

/** https://developer.android.com/reference/android/content/pm/PackageInfo */
public open class PackageInfo {
    @JvmField
    @Deprecated("API 28")
    public var versionCode: Int = 0

    public val longVersionCode: Long get() = 0
}
