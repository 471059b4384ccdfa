// Stand-ins of the vendors' APIs under their real names, and a 1Password account that holds their keys. The gateway is
// led to them by ordinary configuration: a parent proxy and an extra CA.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { type MappingInput } from "../../../src/core/mapping.ts";
import { TestAuthority } from "../certificates.ts";
import { LeadingProxy } from "../leadingProxy.ts";
import { startOnePasswordService } from "../onePassword/service.ts";
import { anthropicApi } from "./anthropic.ts";
import { type Api } from "./api.ts";
import { copilotApi, githubApi } from "./copilot.ts";
import { geminiApi } from "./gemini.ts";
import { openaiApi } from "./openai.ts";
import { VendorServer } from "./vendorServer.ts";

/** A vendor: its API, the key that it takes, and how it is mapped. */
interface Vendor {
  readonly api: Api;
  readonly key: string;
  readonly mapping: Omit<MappingInput, "reference">;
}

/** Copilot takes the token of GitHub. */
const githubKey = "github_pat_vendorsGITHUBkey8a1c5e3f7b9d2046";

export const vendors = {
  anthropic: {
    api: anthropicApi,
    key: "sk-ant-api03-vendors-ANTHROPIC-key-3b1f9e20c7d84a65-AA",
    mapping: { hostname: anthropicApi.host },
  },
  openai: {
    api: openaiApi,
    key: "sk-proj-vendors-OPENAI-key-90ab17f4e2c35d68",
    mapping: { hostname: openaiApi.host },
  },
  gemini: {
    api: geminiApi,
    key: "AIzaVendorsGEMINIkey-5d2e8f0b1a7c4936",
    mapping: { hostname: geminiApi.host },
  },
  github: { api: githubApi, key: githubKey, mapping: { hostname: githubApi.host } },
  copilot: { api: copilotApi, key: githubKey, mapping: { hostname: copilotApi.host } },
} as const satisfies Readonly<Record<string, Vendor>>;

export type VendorName = keyof typeof vendors;
export type VendorWorld = Awaited<ReturnType<typeof startVendorWorld>>;

export async function startVendorWorld() {
  const folder = await mkdtemp(join(tmpdir(), "onecli-vendors-"));
  const all: readonly [string, Vendor][] = Object.entries(vendors);
  const service = await startOnePasswordService({
    vaults: [
      {
        title: "API Keys",
        items: all.map(([title, { key }]) => ({ title, fields: [{ label: "credential", value: key }] })),
      },
    ],
  });
  const authority = await TestAuthority.create("Vendors' CA");
  const server = await VendorServer.start(
    authority,
    all.map(([, { api }]) => api),
    new Map(all.map(([, { api, key }]) => [api.host, key])),
  );
  const parent = await LeadingProxy.start();
  for (const [, { api }] of all) {
    parent.routes.set(`${api.host}:443`, server.port);
  }
  const authorityFile = join(folder, "vendors-ca.pem");
  await writeFile(authorityFile, authority.certificate);
  let count = 0;
  const newFolder = async (name = "folder"): Promise<string> => {
    const path = join(folder, `${name}-${++count}`);
    await mkdir(path);
    return path;
  };
  return {
    service,
    server,
    parent,
    /** What must be nowhere but at the vendors and in 1Password. */
    secrets: new Map<string, string>([
      ["token", service.token],
      ...all.map(([name, { key }]) => [`key of ${name}`, key] as const),
    ]),
    /** An empty folder of its own. */
    newFolder,
    /**
     * Writes the gateway's configuration, in a folder of its own.
     * @param change what is different about the mappings.
     */
    async config(change: Partial<MappingInput> = {}): Promise<string> {
      const mappings = all.map(([name, { mapping }]) => ({
        ...mapping,
        reference: `op://API Keys/${name}/credential`,
        ...change,
      }));
      const path = await newFolder("config");
      const file = join(path, "onecli.json");
      const config = {
        mappings,
        parentProxy: parent.url,
        extraCaCertificates: [authorityFile],
        dataDir: "state",
      };
      await writeFile(file, JSON.stringify(config));
      return file;
    },
    /** The environment of somebody who has set nothing but the token, with a home of their own. */
    env: (home: string, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
      PATH: [dirname(process.execPath), process.env["PATH"]].join(delimiter),
      HOME: home,
      TMPDIR: folder,
      OP_SERVICE_ACCOUNT_TOKEN: service.token,
      ...more,
    }),
    async stop() {
      await Promise.all([server.close(), parent.close(), service.close()]);
      await rm(folder, { recursive: true });
    },
  };
}
