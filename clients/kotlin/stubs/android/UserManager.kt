package android.os

/** https://developer.android.com/reference/android/os/UserManager */
public abstract class UserManager {
    /** API 24. */
    public abstract val isUserUnlocked: Boolean
}
