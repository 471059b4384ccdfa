import { type TestAuthority } from "./certificates.ts";
import { LeadingProxy } from "./leadingProxy.ts";
import { SocksProxy } from "./socksProxy.ts";

export type ParentKind = (typeof parentKinds)[number];
export const parentKinds = ["http", "https", "socks5"] as const;

/** A parent proxy of a kind. @param authority has issued the certificate of an https one. */
export async function startParent(
  kind: ParentKind,
  authority: TestAuthority,
): Promise<LeadingProxy | SocksProxy> {
  switch (kind) {
    case "http":
      return LeadingProxy.start();
    case "https":
      return LeadingProxy.start(await authority.issue({ names: ["127.0.0.1"] }));
    case "socks5":
      return SocksProxy.start();
  }
}

/** Makes a proxy want a login. */
export function wantLogin(parent: LeadingProxy | SocksProxy, username: string, password: string): void {
  if (parent instanceof SocksProxy) {
    parent.login = { username, password };
  } else {
    parent.login = `${username}:${password}`;
  }
}
