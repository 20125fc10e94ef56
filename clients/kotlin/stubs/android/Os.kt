package android.os

/** https://developer.android.com/reference/android/os/Build */
public class Build {
    public class VERSION {
        public companion object {
            @JvmField
            public val SDK_INT: Int = 0

            @JvmField
            public val RELEASE: String = ""
        }
    }

    public companion object {
        @JvmField
        public val MODEL: String = ""
    }
}

/** https://developer.android.com/reference/android/os/SystemClock */
public object SystemClock {
    @JvmStatic
    public fun elapsedRealtime(): Long = 0

    @JvmStatic
    public fun sleep(ms: Long): Unit = Unit
}
