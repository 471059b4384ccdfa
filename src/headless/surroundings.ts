import { type UsageError } from "./usageError.ts";

/** Reads a file of the configuration's folder; makes an error that names the configuration. */
export interface Surroundings {
  readonly read: (name: string) => Promise<string>;
  readonly fail: (message: string) => UsageError;
}

/** A certificate and its key: names of files, or what is in them. */
interface CertificateAndKey {
  readonly certificate: string;
  readonly key: string;
}

/** @param where the key of the configuration that names the files. @throws UsageError */
export async function readCertificateAndKey(
  { certificate, key }: CertificateAndKey,
  where: string,
  { read, fail }: Surroundings,
): Promise<CertificateAndKey> {
  const text = (name: string, what: string) =>
    read(name).catch(() => {
      throw fail(`${where}.${what}: ${name} cannot be read`);
    });
  // One after the other: of two faults the same one is named every time.
  return { certificate: await text(certificate, "certificate"), key: await text(key, "key") };
}
