/** What the adapters use of the Basic Services Kit, written from its documentation. */
export interface BusinessError extends Error { code: number; }
export namespace deviceInfo {
  const sdkApiVersion: number;
  const osFullName: string;
  const productModel: string;
}
export namespace systemDateTime {
  enum TimeType { STARTUP }
  /** Milliseconds since the device started, sleep included. */
  function getUptime(timeType: TimeType, isNanoseconds?: boolean): number;
  function getTime(isNanoseconds?: boolean): number;
}
