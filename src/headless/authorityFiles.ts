// A CA that the configuration names: gateways that stand in for each other must have the same.
import { join } from "node:path";
import { mkdir, rm, writeFile } from "node:fs/promises";
import * as z from "zod";
import {
  AuthorityExpiredError,
  CertificateAuthority,
  createAuthority,
} from "../gateway/certificateAuthority.ts";
import { type AuthorityPems } from "../shared/gatewayProtocol.ts";
import { readCertificateAndKey, type Surroundings } from "./surroundings.ts";
import { UsageError } from "./usageError.ts";

export const certificateFile = "certificate.pem";
export const keyFile = "key.pem";

export const authoritySchema = z.strictObject({ certificate: z.string().min(1), key: z.string().min(1) });

const fix = "onecli-gateway authority --out DIR makes one";

/** @throws UsageError that names the key, and the fix. */
export async function readAuthority(
  files: z.infer<typeof authoritySchema>,
  surroundings: Surroundings,
): Promise<AuthorityPems> {
  const { certificate, key: privateKey } = await readCertificateAndKey(files, "authority", surroundings);
  const pems = { certificate, privateKey };
  try {
    await CertificateAuthority.open(pems);
  } catch (error) {
    throw surroundings.fail(
      error instanceof AuthorityExpiredError
        ? `authority.certificate: ${files.certificate} has expired, or will within a month; ${fix}`
        : `authority: ${files.certificate} and ${files.key} are not a CA certificate and its P-256 key, in PEM form; ${fix}`,
    );
  }
  return pems;
}

/**
 * Makes a CA in a folder. What is there already is never written over: somebody may trust it.
 * @returns the entry for the configuration
 * @throws UsageError
 */
export async function makeAuthority(folder: string): Promise<z.infer<typeof authoritySchema>> {
  const files = { certificate: join(folder, certificateFile), key: join(folder, keyFile) };
  const { certificate, privateKey } = await createAuthority();
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(files.certificate, certificate, { mode: 0o644, flag: "wx" });
    await writeFile(files.key, privateKey, { mode: 0o600, flag: "wx" }).catch(async (error: unknown) => {
      await rm(files.certificate);
      throw error;
    });
  } catch (error) {
    const { code = "unknown fault", path = folder } = error as NodeJS.ErrnoException;
    throw new UsageError(
      code === "EEXIST" ? `--out: ${path} is there already` : `--out: ${path} cannot be written (${code})`,
    );
  }
  return files;
}
