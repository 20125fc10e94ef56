package io.bonafide.client

/** Every error that the client makes, in one place (docs/wire-contract.md). Made anew each time: they carry a stack. */
internal object Errors {
    private val ADVICE = mapOf(
        "update-app" to Action.UPDATE_APP,
        "update-os" to Action.UPDATE_OS,
        "restart-app" to Action.RESTART_APP,
        "restart-device" to Action.RESTART_DEVICE,
        "reinstall-app" to Action.INSTALL_FROM_STORE,
        "reinstall-from-store" to Action.INSTALL_FROM_STORE,
        "play-integrity" to Action.FIX_PLAY,
    )

    /** Play's own dialogs: `GET_INTEGRITY` and `GET_LICENSED`. */
    private val DIALOGS = mapOf(Action.FIX_PLAY to 4, Action.INSTALL_FROM_STORE to 1)

    fun offline(cause: Throwable? = null): BonafideException =
        BonafideException(ErrorCode.OFFLINE, Fault.NETWORK, Action.CONNECT, cause = cause)

    fun unavailable(): BonafideException = of(ErrorCode.UNAVAILABLE, Fault.SERVICE, Action.TRY_LATER)

    fun clock(): BonafideException = of(ErrorCode.CLOCK, Fault.USER, Action.SET_CLOCK)

    fun blocked(): BonafideException = of(ErrorCode.BLOCKED, Fault.DEVICE, Action.CONTACT_SUPPORT)

    fun refused(): BonafideException = of(ErrorCode.REFUSED, Fault.SERVICE, Action.TRY_LATER)

    fun secretRefused(): BonafideException = of(ErrorCode.SECRET_REFUSED, Fault.SERVICE, Action.CONTACT_SUPPORT)

    fun misconfigured(): BonafideException = of(ErrorCode.MISCONFIGURED, Fault.APP, Action.CONTACT_SUPPORT)

    fun wrongRegion(): BonafideException = of(ErrorCode.WRONG_REGION, Fault.SERVICE, Action.TRY_LATER)

    fun unknownOutcome(fault: Fault): BonafideException = of(ErrorCode.UNKNOWN_OUTCOME, fault, Action.TRY_LATER)

    fun storage(cause: Throwable?): BonafideException =
        BonafideException(ErrorCode.STORAGE, Fault.DEVICE, Action.RESTART_APP, cause = cause)

    fun internal(cause: Throwable?): BonafideException =
        BonafideException(ErrorCode.INTERNAL, Fault.APP, Action.CONTACT_SUPPORT, cause = cause)

    /** The policy could not be confirmed for too long. */
    fun stale(): BonafideException = of(ErrorCode.STOPPED, Fault.NETWORK, Action.CONNECT)

    fun oldBuild(): BonafideException = of(ErrorCode.STOPPED, Fault.APP, Action.UPDATE_APP)

    fun featureOff(): BonafideException = of(ErrorCode.STOPPED, Fault.SERVICE, Action.TRY_LATER)

    /** A detector fired whose reaction stops the app. */
    fun reaction(): BonafideException = of(ErrorCode.STOPPED, Fault.DEVICE, Action.RESTART_APP)

    /** The first advice that has an action decides. */
    fun rejected(advice: List<String>, supportCode: String): BonafideException {
        val action = advice.firstNotNullOfOrNull(ADVICE::get) ?: Action.CONTACT_SUPPORT
        val code = supportCode.ifEmpty { null }
        return BonafideException(ErrorCode.REJECTED, Fault.DEVICE, action, code, advice = advice, playDialog = DIALOGS[action])
    }

    /** What a key store or vendor that failed means for the app. */
    fun of(failure: DeviceFailure): BonafideException {
        val (code, fault, action) = when (failure.code) {
            "key-locked" -> Triple(ErrorCode.KEY_LOCKED, Fault.USER, Action.UNLOCK_DEVICE)
            "storage-failed" -> Triple(ErrorCode.STORAGE, Fault.DEVICE, Action.RESTART_APP)
            "clock-wrong" -> Triple(ErrorCode.CLOCK, Fault.USER, Action.SET_CLOCK)
            "app-misconfigured" -> Triple(ErrorCode.MISCONFIGURED, Fault.APP, Action.CONTACT_SUPPORT)
            "vendor-unreachable", "vendor-quota", "vendor-error" -> Triple(ErrorCode.UNAVAILABLE, Fault.SERVICE, Action.TRY_LATER)
            "os-too-old" -> Triple(ErrorCode.UNSUPPORTED_DEVICE, Fault.DEVICE, Action.UPDATE_OS)
            "app-not-from-store" -> Triple(ErrorCode.UNSUPPORTED_DEVICE, Fault.DEVICE, Action.INSTALL_FROM_STORE)
            "play-services-missing", "play-services-outdated" ->
                Triple(ErrorCode.UNSUPPORTED_DEVICE, Fault.DEVICE, Action.FIX_PLAY)
            else -> Triple(ErrorCode.UNSUPPORTED_DEVICE, Fault.DEVICE, Action.CONTACT_SUPPORT)
        }
        return BonafideException(code, fault, action, playDialog = failure.playDialog, cause = failure)
    }

    private fun of(code: ErrorCode, fault: Fault, action: Action) = BonafideException(code, fault, action)
}
