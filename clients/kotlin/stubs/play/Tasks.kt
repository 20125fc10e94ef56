package com.google.android.gms.tasks

import java.util.concurrent.TimeUnit

/** https://developers.google.com/android/reference/com/google/android/gms/tasks/Task */
public abstract class Task<T>

/** https://developers.google.com/android/reference/com/google/android/gms/tasks/Tasks */
public object Tasks {
    /** Throws ExecutionException, InterruptedException, TimeoutException. */
    @JvmStatic
    public fun <T> await(task: Task<T>, timeout: Long, unit: TimeUnit): T = throw UnsupportedOperationException("$task $timeout $unit")
}
