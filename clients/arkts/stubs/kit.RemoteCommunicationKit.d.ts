/** What the adapters use of the Remote Communication Kit, written from its documentation. */
export namespace rcp {
  interface Timeout { connectMs?: number; transferMs?: number; }
  interface TransferConfiguration { autoRedirect?: boolean; timeout?: Timeout; }
  interface CertificatePinning { kind: 'public-key'; publicKeyHash: string; hashAlgorithm: 'SHA-256'; }
  interface SecurityConfiguration { remoteValidation?: 'system'; certificatePinning?: CertificatePinning | CertificatePinning[]; }
  interface Configuration { transfer?: TransferConfiguration; security?: SecurityConfiguration; }
  interface SessionConfiguration { requestConfiguration?: Configuration; }
  class Request {
    constructor(url: string, method?: string, headers?: Record<string, string>, content?: ArrayBuffer);
    configuration?: Configuration;
  }
  interface Response { statusCode: number; headers: Record<string, string | string[] | undefined>; body?: ArrayBuffer; }
  interface Session { fetch(request: Request): Promise<Response>; close(): void; }
  function createSession(configuration?: SessionConfiguration): Session;
}
