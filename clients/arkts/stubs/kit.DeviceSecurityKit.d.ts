/** What the adapters use of the Device Security Kit, written from its documentation. */
export namespace safetyDetect {
  interface SysIntegrityRequest { nonce: string; }
  interface SysIntegrityResponse { result: string; }
  function checkSysIntegrity(request: SysIntegrityRequest): Promise<SysIntegrityResponse>;
  function checkSysIntegrityEnhanced(request: SysIntegrityRequest): Promise<SysIntegrityResponse>;
}
