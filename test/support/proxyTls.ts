// TLS between clients and the proxy itself, for the gateway's suite as a whole: `npm run test:gateway:tls`.
import { once } from "node:events";
import { type Socket } from "node:net";
import { connect } from "node:tls";
import { type ServerIdentity } from "../../src/shared/serverIdentity.ts";
import { TestAuthority } from "./certificates.ts";

/** Set by throughTls.ts. */
export const throughTls = "ONECLI_TEST_THROUGH_TLS";

let authority: Promise<TestAuthority> | undefined;

/** What the proxy of a test shows to its clients; undefined where they do not speak TLS to it. */
export async function proxyTls(): Promise<ServerIdentity | undefined> {
  if (process.env[throughTls] === undefined) {
    return undefined;
  }
  authority ??= TestAuthority.create("Proxy CA");
  const { cert, key } = await (await authority).issue({ names: ["proxy.test", "127.0.0.1"] });
  return { certificate: cert, key };
}

/** The connection that a client speaks HTTP on, made of a TCP connection to the proxy. */
export async function throughProxyTls(socket: Socket): Promise<Socket> {
  if (authority === undefined) {
    return socket;
  }
  const { certificate } = await authority;
  // Not among the types of tls.connect's options, and taken all the same.
  const halfOpen = { allowHalfOpen: true };
  const secure = connect({ socket, ca: certificate, servername: "proxy.test", ...halfOpen });
  await once(secure, "secureConnect");
  return secure;
}

/** For a client that takes its proxy as a URL: that URL, and a CA to trust for it. */
export async function proxyForClients(url: string): Promise<{ url: string; ca?: string }> {
  if (authority === undefined) {
    return { url };
  }
  return { url: url.replace(/^http:/, "https:"), ca: (await authority).certificate };
}
