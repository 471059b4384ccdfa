import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type AuthorityPems,
  CertificateAuthority,
  createAuthority,
} from "../gateway/certificateAuthority.ts";
import { UsageError } from "./config.ts";

const certificateFile = "certificate.pem";
const keyFile = "key.pem";

/**
 * The CA of a data folder, made at the first start and kept. Certificate and key come into being together, by the
 * renaming of their folder: of two programs that start at once on an empty data folder, one makes the CA and the
 * other finds it.
 * @throws UsageError where the folder cannot be used.
 */
export async function openAuthority(dataDir: string): Promise<AuthorityPems> {
  const folder = join(dataDir, "authority");
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    const found = await read(folder);
    if (found !== undefined && (await isUsable(found, folder))) {
      return found;
    }
    return await make(folder, found !== undefined);
  } catch (error) {
    if (error instanceof UsageError) {
      throw error;
    }
    const { code = "" } = error as NodeJS.ErrnoException;
    throw new UsageError(
      `${dataDir}: the data folder cannot be used (${code === "" ? "unknown fault" : code})`,
    );
  }
}

async function read(folder: string): Promise<AuthorityPems | undefined> {
  try {
    const [certificate, privateKey] = await Promise.all([
      readFile(join(folder, certificateFile), "utf8"),
      readFile(join(folder, keyFile), "utf8"),
    ]);
    return { certificate, privateKey };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      return undefined;
    }
    throw error;
  }
}

/** False where its time is over; a CA that is broken is the user's to remove, tools may have been told to trust it. */
async function isUsable(pems: AuthorityPems, folder: string): Promise<boolean> {
  try {
    await CertificateAuthority.open(pems);
    return true;
  } catch (error) {
    if (error instanceof Error && error.message.includes("expired")) {
      return false;
    }
    throw new UsageError(
      `${folder}: the CA in this folder cannot be read; remove the folder to have a new one made`,
    );
  }
}

async function make(folder: string, replace: boolean): Promise<AuthorityPems> {
  const pems = await createAuthority();
  const suffix = randomBytes(6).toString("hex");
  const temporary = `${folder}.${suffix}.tmp`;
  await mkdir(temporary, { mode: 0o700 });
  try {
    await writeFile(join(temporary, keyFile), pems.privateKey, { mode: 0o600 });
    await writeFile(join(temporary, certificateFile), pems.certificate, { mode: 0o644 });
    if (replace) {
      const outdated = `${folder}.${suffix}.old`;
      await rename(folder, outdated);
      await rm(outdated, { recursive: true });
    }
    await rename(temporary, folder);
    return pems;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    const others = await read(folder);
    if (others === undefined) {
      throw error;
    }
    return others;
  }
}
