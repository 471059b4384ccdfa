import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  AuthorityExpiredError,
  CertificateAuthority,
  createAuthority,
} from "../gateway/certificateAuthority.ts";
import { type AuthorityPems } from "../shared/gatewayProtocol.ts";
import { nameOf } from "../gateway/trustBundle.ts";
import { certificateFile, keyFile } from "./authorityFiles.ts";
import { type Config, dataDirFault } from "./config.ts";
import { UsageError } from "./usageError.ts";

/**
 * The CA of a data folder, made at the first start and kept. Certificate and key come into being together, by the
 * renaming of their folder: of two programs that start at once, one makes the CA and the other finds it. A CA whose time
 * is over is followed by one in a folder named after it, so that all who find it expired look in the same place.
 * @throws UsageError where the folder cannot be used.
 */
export async function openAuthority(config: Pick<Config, "file" | "dataDir">): Promise<CertificateAuthority> {
  const { file, dataDir } = config;
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    let folder = join(dataDir, "authority");
    for (;;) {
      const pems = (await read(folder)) ?? (await make(folder));
      try {
        return await CertificateAuthority.open(pems);
      } catch (error) {
        if (!(error instanceof AuthorityExpiredError)) {
          // Tools may have been told to trust it: it is the user's to remove.
          throw new UsageError(
            `${file}: dataDir: the CA in ${folder} cannot be read; remove that folder to have a new one made`,
          );
        }
        folder = join(dataDir, `authority-${nameOf(pems.certificate)}`);
      }
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

async function make(folder: string): Promise<AuthorityPems> {
  const pems = await createAuthority();
  const temporary = `${folder}.${randomBytes(6).toString("hex")}.tmp`;
  await mkdir(temporary, { mode: 0o700 });
  try {
    await writeFile(join(temporary, keyFile), pems.privateKey, { mode: 0o600 });
    await writeFile(join(temporary, certificateFile), pems.certificate, { mode: 0o644 });
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
