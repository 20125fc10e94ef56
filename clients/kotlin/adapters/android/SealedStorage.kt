package io.bonafide.client.android

import android.content.Context
import android.os.UserManager
import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyProperties
import io.bonafide.client.DeviceFailure
import io.bonafide.client.Storage
import java.io.File
import java.io.FileOutputStream
import java.io.IOException
import java.io.RandomAccessFile
import java.nio.channels.FileLock
import java.security.GeneralSecurityException
import java.security.KeyStore
import java.security.ProviderException
import java.util.concurrent.locks.ReentrantLock
import javax.crypto.AEADBadTagException
import javax.crypto.Cipher
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import javax.crypto.spec.GCMParameterSpec
import kotlin.concurrent.withLock

/**
 * The record in `noBackupFilesDir`, sealed by an AES key of the Keystore. A copy that came from another phone or another
 * installation does not open, and counts as none. A file lock keeps the app's processes apart.
 */
public class SealedStorage(context: Context, private val app: String) : Storage {
    private val users = context.getSystemService(UserManager::class.java)
    private val folder by lazy { context.noBackupFilesDir }
    private val file get() = File(folder, "bonafide-$app.record")
    private val lockFile get() = File(folder, "bonafide-$app.lock")
    private val alias = "bonafide.$app.record"
    private val threads = ReentrantLock()

    override fun load(): ByteArray? = working {
        val sealed = if (file.exists()) file.readBytes() else return@working null
        val key = key() ?: return@working null
        try {
            if (sealed.size < NONCE) return@working null
            cipher(Cipher.DECRYPT_MODE, key, GCMParameterSpec(128, sealed, 0, NONCE)).doFinal(sealed, NONCE, sealed.size - NONCE)
        } catch (_: AEADBadTagException) {
            null
        }
    }

    override fun save(record: ByteArray): Unit = working {
        val cipher = cipher(Cipher.ENCRYPT_MODE, key() ?: newKey(), null)
        val other = File(file.path + ".new")
        FileOutputStream(other).use { stream ->
            stream.write(cipher.iv)
            stream.write(cipher.doFinal(record))
            stream.fd.sync()
        }
        if (!other.renameTo(file)) throw IOException("the record cannot be replaced")
    }

    override fun <T> exclusively(action: () -> T): T = threads.withLock {
        if (threads.holdCount > 1) return@withLock action()
        if (!users.isUserUnlocked) throw DeviceFailure("key-locked")
        RandomAccessFile(lockFile, "rw").use { opened ->
            val lock: FileLock = opened.channel.lock()
            try {
                action()
            } finally {
                lock.release()
            }
        }
    }

    /** Before the first unlock after a start of the phone there is neither file nor key. */
    private fun <T> working(action: () -> T): T {
        if (!users.isUserUnlocked) throw DeviceFailure("key-locked")
        return try {
            action()
        } catch (error: GeneralSecurityException) {
            throw IOException(error)
        } catch (error: ProviderException) {
            throw IOException(error)
        }
    }

    private fun key(): SecretKey? = KeyStore.getInstance(AndroidKeys.PROVIDER).run {
        load(null)
        getKey(alias, null) as? SecretKey
    }

    private fun newKey(): SecretKey = KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_AES, AndroidKeys.PROVIDER).run {
        init(
            KeyGenParameterSpec.Builder(alias, KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT)
                .setBlockModes(KeyProperties.BLOCK_MODE_GCM).setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
                .setKeySize(256).build(),
        )
        generateKey()
    }

    /** The Keystore draws the nonce of each encryption itself. */
    private fun cipher(mode: Int, key: SecretKey, nonce: GCMParameterSpec?): Cipher =
        Cipher.getInstance("AES/GCM/NoPadding").apply { if (nonce == null) init(mode, key) else init(mode, key, nonce) }

    private companion object {
        const val NONCE = 12
    }
}
