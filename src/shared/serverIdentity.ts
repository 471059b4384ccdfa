/** By what clients know a server that speaks TLS. PEM: the certificate with its chain, and its key. */
export interface ServerIdentity {
  readonly certificate: string;
  readonly key: string;
}
