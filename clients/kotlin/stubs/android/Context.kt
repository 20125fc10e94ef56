package android.content

import android.content.pm.PackageManager
import java.io.File

/** https://developer.android.com/reference/android/content/Context */
public abstract class Context {
    public abstract val applicationContext: Context
    public abstract val noBackupFilesDir: File
    public abstract val packageManager: PackageManager
    public abstract val packageName: String

    public abstract fun <T> getSystemService(serviceClass: Class<T>): T
}
