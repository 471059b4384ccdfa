// The files that make tools trust the gateway. All of it is public data.
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { getCACertificates } from "node:tls";
import { type Logger } from "../core/ports.ts";
import { type TrustFiles } from "../core/terminalEnvironment.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables by which a user names a bundle of their own, the one that most tools read first. */
const userBundleVariables = [
  "SSL_CERT_FILE",
  "CURL_CA_BUNDLE",
  "REQUESTS_CA_BUNDLE",
  "GIT_SSL_CAINFO",
] as const;

const bundleLifetime = 30 * 24 * 60 * 60_000;

/**
 * Every certificate that this machine trusts already: Node's own list, the system's, NODE_EXTRA_CA_CERTS. The union,
 * because a tool that is pointed at our bundle must never trust less than it did before.
 */
export function machineRoots(): string[] {
  const system = typeof getCACertificates === "function" ? getCACertificates("system") : [];
  const standard = typeof getCACertificates === "function" ? getCACertificates("default") : [];
  return [...new Set([...standard, ...system])];
}

interface TrustBundleInput {
  /** PEM of the gateway's CA. */
  readonly authority: string;
  /** PEMs of the extra CAs of the configuration. */
  readonly extra: readonly string[];
  readonly roots: readonly string[];
  /** The environment in which the user may have named files of their own. */
  readonly environment: Environment;
}

/**
 * Writes the trust files into a folder. The bundle is named after its content: two gateways with different settings
 * share the folder, and a reader never sees a half-written file.
 */
export async function writeTrustFiles(
  folder: string,
  { authority, extra, roots, environment }: TrustBundleInput,
  logger: Logger,
): Promise<TrustFiles> {
  await mkdir(folder, { recursive: true });
  const named = new Set(
    userBundleVariables.map((name) => environment[name]).filter((file) => file !== undefined && file !== ""),
  );
  const usersOwn = await Promise.all([...named].map((file) => readUserFile(file, logger)));
  const userExtra = await readUserFile(environment["NODE_EXTRA_CA_CERTS"], logger);
  const bundle = joinCertificates([...usersOwn, userExtra, ...extra, ...roots, authority]);
  const additions = joinCertificates([userExtra, ...extra, authority]);
  const files = {
    ca: join(folder, `ca-${nameOf(authority)}.pem`),
    bundle: join(folder, `bundle-${nameOf(bundle)}.pem`),
    additions: join(folder, `additions-${nameOf(additions)}.pem`),
  };
  await Promise.all([
    writeAtomically(files.ca, joinCertificates([authority])),
    writeAtomically(files.bundle, bundle),
    writeAtomically(files.additions, additions),
  ]);
  await removeOutdated(folder, Object.values(files));
  return files;
}

const certificatePattern =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/** The certificates in a text of PEM blocks, comments left out. */
export function certificatesIn(text: string): string[] {
  return (text.match(certificatePattern) ?? []).map((block) => block.replaceAll("\r\n", "\n"));
}

function joinCertificates(texts: readonly string[]): string {
  return `${[...new Set(texts.flatMap(certificatesIn))].join("\n")}\n`;
}

async function readUserFile(file: string | undefined, logger: Logger): Promise<string> {
  if (file === undefined || file === "") {
    return "";
  }
  try {
    return await readFile(file, "utf8");
  } catch {
    logger.warn(`The certificate file ${file}, named in the environment, cannot be read; it is left out.`);
    return "";
  }
}

async function writeAtomically(file: string, text: string): Promise<void> {
  try {
    if ((await readFile(file, "utf8")) === text) {
      // Marks it as in use for removeOutdated.
      const now = new Date();
      await utimes(file, now, now);
      return;
    }
  } catch {
    // Not there yet, or not ours to touch: written anew below.
  }
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  await writeFile(temporary, text, { mode: 0o644, flag: "wx" });
  await rename(temporary, file);
}

/** Bundles of settings that nobody uses any more. */
async function removeOutdated(folder: string, inUse: readonly string[]): Promise<void> {
  const outdated = Date.now() - bundleLifetime;
  for (const name of await readdir(folder)) {
    const file = join(folder, name);
    if (!/^(ca|bundle|additions)-[0-9a-f]{16}\.pem/.test(name) || inUse.includes(file)) {
      continue;
    }
    const found = await stat(file).catch(() => undefined);
    if (found !== undefined && found.mtimeMs < outdated) {
      await rm(file, { force: true });
    }
  }
}

/** A short name for a content: equal contents, equal names. */
export function nameOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
