package io.bonafide.client.state

import io.bonafide.client.DeviceFailure
import io.bonafide.client.Storage
import java.io.IOException

/** The record, shared with the other processes of the app: what is changed is read anew first. */
internal class RecordStore(private val storage: Storage) {
    /** As this process saw it last. */
    @Volatile
    var record: Record = reload()
        private set

    /** Reads what other processes wrote. Throws [DeviceFailure] (`storage-failed`), as the others do. */
    fun reload(): Record = failing { Record.of(storage.load()) }.also { record = it }

    /** Replaces the record by [change] of it. */
    fun update(change: (Record) -> Record): Record = failing {
        storage.exclusively {
            val changed = change(reload())
            storage.save(changed.bytes())
            changed
        }
    }.also { record = it }

    /** Runs [action] while no other process of the app enrols, renews or writes. */
    fun <T> exclusively(action: () -> T): T = failing { storage.exclusively(action) }

    private fun <T> failing(action: () -> T): T = try {
        action()
    } catch (error: IOException) {
        throw DeviceFailure("storage-failed", cause = error)
    }
}
