import { createHash, timingSafeEqual } from "node:crypto";

/** Who may use the gateway: the user name, and the SHA-256 of the password. */
export interface Agent {
  readonly name: string;
  readonly passwordHash: Buffer;
}

interface Credential {
  readonly name: string;
  /** Of name and password together, so that one comparison is for both. */
  readonly digest: Buffer;
}

/** An accepted credential: the same object for as long as the credential is good. */
export type Admission = Pick<Credential, "name">;

/** Decides on `Proxy-Authorization`. */
export class Credentials {
  readonly #own: readonly Credential[];
  #agents: readonly Credential[];

  /** @param own the gateway's own credential, where it is good for anything */
  constructor(
    own: { readonly username: string; readonly password: string } | undefined,
    agents: readonly Agent[],
  ) {
    this.#own =
      own === undefined ? [] : [credentialOf({ name: own.username, passwordHash: sha256(own.password) })];
    this.#agents = agents.map(credentialOf);
  }

  /** Replaces the agents. @returns what was admitted and is no longer: a changed password ends what the old one opened */
  setAgents(agents: readonly Agent[]): ReadonlySet<Admission> {
    const before = this.#agents;
    this.#agents = agents.map((agent) => {
      const wanted = credentialOf(agent);
      return before.find(({ digest }) => digest.equals(wanted.digest)) ?? wanted;
    });
    return new Set(before.filter((credential) => !this.#agents.includes(credential)));
  }

  /** Takes as long for one wrong credential as for any other, whether it is the name or the password that is wrong. */
  check(proxyAuthorization = ""): Admission | undefined {
    const [scheme = "", encoded = ""] = proxyAuthorization.split(/ +/, 2);
    const pair = Buffer.from(encoded, "base64");
    const colon = pair.indexOf(":");
    const [name, password] =
      colon === -1 ? [pair, pair] : [pair.subarray(0, colon), pair.subarray(colon + 1)];
    const given = digestOf(name, sha256(password));
    let found: Credential | undefined;
    for (const credential of [...this.#own, ...this.#agents]) {
      if (timingSafeEqual(credential.digest, given)) {
        found = credential;
      }
    }
    return scheme.toLowerCase() === "basic" && colon !== -1 ? found : undefined;
  }
}

function credentialOf({ name, passwordHash }: Agent): Credential {
  return { name, digest: digestOf(Buffer.from(name), passwordHash) };
}

/** Both parts have a fixed length, so no other pair has the same input. */
function digestOf(name: Buffer, passwordHash: Buffer): Buffer {
  return sha256(Buffer.concat([sha256(name), passwordHash]));
}

function sha256(data: string | Buffer): Buffer {
  return createHash("sha256").update(data).digest();
}
