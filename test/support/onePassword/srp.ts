import { createHash, getDiffieHellman, randomBytes } from "node:crypto";

/** The 4096-bit group of RFC 5054, whose prime is group 16 of RFC 3526. */
const prime = toNumber(getDiffieHellman("modp16").getPrime());
const generator = 5n;
const groupBytes = 512;

const multiplier = toNumber(sha256(padded(prime), padded(generator)));

export function sha256(...parts: readonly (string | Uint8Array)[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) {
    hash.update(part);
  }
  return hash.digest();
}

/** What the server keeps of the token's `srpX`. */
export function verifierOf(srpX: string): bigint {
  return power(generator, BigInt(`0x${srpX}`));
}

/** Binds the proofs to an account: the id within the Secret Key, the address, the salt. */
export interface SrpIdentity {
  readonly secretKeyId: string;
  readonly email: string;
  readonly salt: Uint8Array;
}

export interface SrpExchange {
  /** The server's public number in hex; always 1024 digits, since the SDK refuses an odd count. */
  readonly userB: string;
  readonly sessionKey: Buffer;
  /** The proofs (base64url) of the client and of the server that each knows the key. */
  readonly clientProof: string;
  readonly serverProof: string;
}

/** The server's half of SRP-6a with SHA-256. */
export function exchange(verifier: bigint, userA: string, identity: SrpIdentity): SrpExchange {
  const a = BigInt(`0x${userA}`);
  if (a % prime === 0n) {
    throw new RangeError("SRP: the client's number is a multiple of the prime");
  }
  const secret = toNumber(randomBytes(32));
  const b = (multiplier * verifier + power(generator, secret)) % prime;
  const scramble = toNumber(sha256(padded(a), padded(b)));
  const shared = power(a * power(verifier, scramble), secret);
  const sessionKey = sha256(shared.toString(16));

  const primeHash = sha256(padded(prime));
  const generatorHash = sha256(Uint8Array.of(Number(generator)));
  const groupHash = primeHash.map((byte, index) => byte ^ (generatorHash[index] ?? 0));
  const name = sha256(sha256(identity.secretKeyId), sha256(identity.email)).toString("base64url");
  const clientProof = sha256(groupHash, sha256(name), identity.salt, minimal(a), minimal(b), sessionKey);
  const serverProof = sha256(minimal(a), clientProof, sessionKey);
  return {
    userB: padded(b).toString("hex"),
    sessionKey,
    clientProof: clientProof.toString("base64url"),
    serverProof: serverProof.toString("base64url"),
  };
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base % prime;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) {
      result = (result * square) % prime;
    }
    square = (square * square) % prime;
  }
  return result;
}

function toNumber(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

function padded(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(groupBytes * 2, "0"), "hex");
}

/** Big-endian without leading zero bytes: the proofs use this form, not the padded one. */
function minimal(value: bigint): Buffer {
  const digits = value.toString(16);
  return Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex");
}
