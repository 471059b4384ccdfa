// A terminal as the gateway makes it, to be broken by a test in one place.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { terminalEnvironment } from "../../src/core/terminalEnvironment.ts";
import { examine, type Examination } from "../../src/doctor/examine.ts";
import { reportSchema } from "../../src/shared/doctorReport.ts";
import { CertificateAuthority, createAuthority } from "../../src/gateway/certificateAuthority.ts";
import { Gateway } from "../../src/gateway/gateway.ts";
import { machineRoots, writeTrustFiles } from "../../src/gateway/trustBundle.ts";
import { mappingsOf } from "./gatewayFixture.ts";
import { recordingLogger } from "./logger.ts";

export type DoctorWorld = Awaited<ReturnType<typeof startDoctorWorld>>;

/** Where version managers keep their tools: they look below the home folder, which a test has of its own. */
export function toolHomes(): NodeJS.ProcessEnv {
  const { RUSTUP_HOME = join(homedir(), ".rustup"), GOCACHE = join(homedir(), ".cache/go-build") } =
    process.env;
  return { RUSTUP_HOME, GOCACHE };
}

export async function startDoctorWorld() {
  const folder = await mkdtemp(join(tmpdir(), "onecli-doctor-test-"));
  const logger = recordingLogger();
  const authority = await CertificateAuthority.open(await createAuthority());
  const mappings = mappingsOf([
    { hostname: "api.openai.com", reference: "op://API Keys/OpenAI/api-key" },
    { hostname: "off.example.com", reference: "op://API Keys/OpenAI/api-key", enabled: false },
  ]);
  const gateway = await Gateway.start({ mappings, authority, trustedRoots: [], logger });
  const trust = join(folder, "trust");
  const input = { authority: authority.certificate, extra: [], roots: machineRoots(), environment: {} };
  const files = await writeTrustFiles(trust, input, logger);
  const base: NodeJS.ProcessEnv = { PATH: process.env["PATH"], HOME: folder, TMPDIR: folder, ...toolHomes() };
  const { set } = terminalEnvironment(gateway.endpoint, files, mappings, base);
  const environment: NodeJS.ProcessEnv = { ...base, ...set };
  return {
    folder,
    gateway,
    files,
    environment,
    /** A folder with one program, a shell script. */
    async program(name: string, script: string): Promise<string> {
      const bin = await mkdtemp(join(folder, "bin-"));
      await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      return bin;
    },
    async file(path: string, text: string): Promise<string> {
      const file = join(folder, path);
      await mkdir(join(file, ".."), { recursive: true });
      await writeFile(file, text);
      return file;
    },
    /** Examines the terminal with changes to its variables. */
    async examine(
      only: readonly string[],
      changes: NodeJS.ProcessEnv = {},
      more: Partial<Pick<Examination, "times" | "signal">> = {},
    ) {
      const signal = AbortSignal.timeout(300_000);
      return reportSchema.parse(
        await examine({ environment: { ...environment, ...changes }, only, signal, ...more }),
      );
    },
    async stop() {
      await gateway.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
