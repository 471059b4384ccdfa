import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type AuthorityPems,
  CertificateAuthority,
  createAuthority,
} from "../gateway/certificateAuthority.ts";
import { type Config, dataDirFault, UsageError } from "./config.ts";

const certificateFile = "certificate.pem";
const keyFile = "key.pem";

/**
 * The CA of a data folder, made at the first start and kept. Certificate and key come into being together, by the
 * renaming of their folder: of two programs that start at once on an empty data folder, one makes the CA and the
 * other finds it.
 * @throws UsageError where the folder cannot be used.
 */
export async function openAuthority(config: Pick<Config, "file" | "dataDir">): Promise<AuthorityPems> {
  const { file, dataDir } = config;
  const folder = join(dataDir, "authority");
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    const found = await read(folder);
    if (found === undefined) {
      return await make(folder, { replace: false });
    }
    switch (await judge(found)) {
      case "usable":
        return found;
      case "expired":
        return await make(folder, { replace: true });
      case "broken":
        // Tools may have been told to trust it: it is the user's to remove.
        throw new UsageError(
          `${file}: dataDir: the CA in ${folder} cannot be read; remove that folder to have a new one made`,
        );
    }
  } catch (error) {
    throw dataDirFault(config, error);
  }
}

/** Undefined where neither file is there; a file that is missing beside the other counts as empty. */
async function read(folder: string): Promise<AuthorityPems | undefined> {
  const [certificate, privateKey] = await Promise.all(
    [certificateFile, keyFile].map(async (name) => {
      try {
        return await readFile(join(folder, name), "utf8");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") {
          return undefined;
        }
        throw error;
      }
    }),
  );
  return certificate === undefined && privateKey === undefined
    ? undefined
    : { certificate: certificate ?? "", privateKey: privateKey ?? "" };
}

async function judge(pems: AuthorityPems): Promise<"usable" | "expired" | "broken"> {
  try {
    await CertificateAuthority.open(pems);
    return "usable";
  } catch (error) {
    return error instanceof Error && error.message.includes("expired") ? "expired" : "broken";
  }
}

async function make(folder: string, { replace }: { replace: boolean }): Promise<AuthorityPems> {
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
