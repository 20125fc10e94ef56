package io.bonafide.client

/** What went wrong, for the app's code. */
public enum class ErrorCode(public val text: String) {
    OFFLINE("offline"), UNAVAILABLE("unavailable"), CLOCK("clock"), REJECTED("rejected"), BLOCKED("blocked"),
    REFUSED("refused"), UNSUPPORTED_DEVICE("unsupported-device"), KEY_LOCKED("key-locked"), STOPPED("stopped"),
    SECRET_REFUSED("secret-refused"), UNKNOWN_OUTCOME("unknown-outcome"), MISCONFIGURED("misconfigured"),
    STORAGE("storage"), WRONG_REGION("wrong-region"), INTERNAL("internal"),
}

/** Whose fault it is. */
public enum class Fault(public val text: String) {
    NETWORK("network"), SERVICE("service"), DEVICE("device"), USER("user"), APP("app"),
}

/** The one safe thing to do; the app tells its user in its own words. */
public enum class Action(public val text: String) {
    NONE("none"), CONNECT("connect"), TRY_LATER("try-later"), SET_CLOCK("set-clock"), UPDATE_APP("update-app"),
    UPDATE_OS("update-os"), RESTART_APP("restart-app"), RESTART_DEVICE("restart-device"),
    UNLOCK_DEVICE("unlock-device"), INSTALL_FROM_STORE("install-from-store"), FIX_PLAY("fix-play"),
    CONTACT_SUPPORT("contact-support"),
}

/**
 * Bonafide could not help. The types are closed: new causes get one of these codes. The message names code and action, and no
 * token, challenge, key or address; so an app may log it.
 *
 * @property supportCode what the operator finds the refusal by; show it to the user.
 * @property retryAfter seconds after which the call makes sense again, `null` where no time is known.
 * @property advice what the appraisal policy advises, as it said it.
 * @property playDialog the code for Play's own dialog (`showDialog`), where Play can put it right; `null` elsewhere.
 */
public class BonafideException internal constructor(
    public val code: ErrorCode,
    public val fault: Fault,
    public val action: Action,
    public val supportCode: String? = null,
    public val retryAfter: Double? = null,
    public val advice: List<String> = emptyList(),
    public val playDialog: Int? = null,
    cause: Throwable? = null,
) : Exception("${code.text}: ${action.text}", cause) {
    internal fun after(seconds: Double): BonafideException =
        BonafideException(code, fault, action, supportCode, maxOf(0.0, seconds), advice, playDialog, cause)

    internal fun with(supportCode: String): BonafideException =
        BonafideException(code, fault, action, supportCode.ifEmpty { null }, retryAfter, advice, playDialog, cause)

    /** The same for another caller: a thrown exception belongs to one thread. */
    internal fun copy(): BonafideException =
        BonafideException(code, fault, action, supportCode, retryAfter, advice, playDialog, this)
}
