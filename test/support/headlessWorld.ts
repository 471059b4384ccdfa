// What the headless program meets in a test: a 1Password service, vendors' names that a parent proxy leads to a local
// TLS server, and folders for configurations. All of it reaches the program by ordinary configuration.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type MappingInput } from "../../src/core/mapping.ts";
import { TestAuthority } from "./certificates.ts";
import { LeadingProxy } from "./leadingProxy.ts";
import { startOnePasswordService } from "./onePassword/service.ts";
import { UpstreamServer } from "./upstreamServer.ts";

export const secrets = {
  anthropic: "sk-ant-api03-headless/ANTHROPIC+value=4f1d%20",
  openai: "sk-proj-headless-OPENAI-value-77aa",
  git: "glpat-headlessGITvalue0123456789",
} as const;

export const mappings = [
  { hostname: "api.anthropic.com", reference: "op://API Keys/Anthropic/credential" },
  { hostname: "api.openai.com", reference: "op://API Keys/OpenAI/api-key" },
  { hostname: "git.example.test", reference: "op://API Keys/Git/token" },
  { hostname: "missing.example.test", reference: "op://API Keys/No such item/token" },
] as const satisfies readonly MappingInput[];

const field = (label: string, value: string) => ({ fields: [{ label, value }] });

export type HeadlessWorld = Awaited<ReturnType<typeof startHeadlessWorld>>;

export async function startHeadlessWorld() {
  const folder = await mkdtemp(join(tmpdir(), "onecli-headless-"));
  const service = await startOnePasswordService({
    vaults: [
      {
        title: "API Keys",
        items: [
          { title: "Anthropic", ...field("credential", secrets.anthropic) },
          { title: "OpenAI", ...field("api-key", secrets.openai) },
          { title: "Git", ...field("token", secrets.git) },
        ],
      },
    ],
  });
  const hosts = [...mappings.map(({ hostname }) => hostname), "github.com", "unmapped.example"];
  const authority = await TestAuthority.create("Upstream CA");
  const upstream = await UpstreamServer.start(authority, [...hosts, "127.0.0.1"]);
  const parent = await LeadingProxy.start();
  for (const host of hosts) {
    parent.routes.set(`${host}:443`, upstream.port);
  }
  let count = 0;
  const newFolder = async (): Promise<string> => {
    const path = join(folder, String(++count));
    await mkdir(path);
    return path;
  };
  return {
    folder,
    service,
    authority,
    upstream,
    parent,
    /** An empty folder of its own. */
    newFolder,
    /** The environment of somebody who has set nothing. */
    env: (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
      PATH: process.env["PATH"],
      HOME: folder,
      TMPDIR: folder,
      ...more,
    }),
    /** The token in the environment, as most people pass it. */
    tokenEnv: (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
      PATH: process.env["PATH"],
      HOME: folder,
      TMPDIR: folder,
      OP_SERVICE_ACCOUNT_TOKEN: service.token,
      ...more,
    }),
    /** Writes a configuration that works, in a folder of its own, with `changes` to it; `undefined` leaves a key out. */
    async config(changes: Readonly<Record<string, unknown>> = {}): Promise<string> {
      const path = await newFolder();
      await writeFile(join(path, "upstream-ca.pem"), authority.certificate);
      const file = join(path, "config.json");
      const content = {
        mappings,
        parentProxy: parent.url,
        extraCaCertificates: ["upstream-ca.pem"],
        dataDir: "state",
        ...changes,
      };
      await writeFile(file, JSON.stringify(content));
      return file;
    },
    async stop() {
      await Promise.all([upstream.close(), parent.close(), service.close()]);
      await rm(folder, { recursive: true });
    },
  };
}
