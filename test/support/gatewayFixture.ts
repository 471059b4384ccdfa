// A gateway as it is used: the real SDK against the local 1Password service, and local TLS servers that a parent proxy
// leads the vendors' names to.
import { X509Certificate } from "node:crypto";
import { type Mapping, type MappingInput, parseMappings } from "../../src/core/mapping.ts";
import { CertificateAuthority, createAuthority } from "../../src/gateway/certificateAuthority.ts";
import { Gateway, type GatewayOptions } from "../../src/gateway/gateway.ts";
import { parseParentProxy } from "../../src/core/parentProxy.ts";
import { SecretValue } from "../../src/core/secretValue.ts";
import { parseStoredSecret, type StoredSecret, type StoredSecretInput } from "../../src/core/storedSecret.ts";
import { parseServiceAccountToken } from "../../src/core/serviceAccountToken.ts";
import { TestAuthority } from "./certificates.ts";
import { LeadingProxy } from "./leadingProxy.ts";
import { recordingLogger } from "./logger.ts";
import { startOnePasswordService } from "./onePassword/service.ts";
import { RawServer, UpstreamServer } from "./upstreamServer.ts";
import { proxyTls } from "./proxyTls.ts";
import { openTls } from "./wire.ts";

export const secrets = {
  anthropic: "sk-ant-api03-test-ANTHROPIC-VALUE-4f1d",
  openai: "sk-proj-test-OPENAI-VALUE-77aa",
  github: "ghp_testGITHUBVALUE0123456789abcdefABCDEF",
} as const;

export const defaultMappings: readonly MappingInput[] = [
  { hostname: "api.anthropic.com", reference: "op://API Keys/Anthropic/credential" },
  { hostname: "api.openai.com", reference: "op://API Keys/OpenAI/api-key" },
  { hostname: "api.github.com", reference: "op://Dev Tokens/GitHub/token" },
];

export function mappingsOf(inputs: readonly MappingInput[]): Mapping[] {
  const { mappings, problems } = parseMappings(inputs);
  if (problems.length > 0) {
    throw new Error(problems[0]!.message);
  }
  return mappings;
}

/** @throws Error for what is no stored secret. */
export function storedSecretsOf(
  inputs: readonly (StoredSecretInput & { readonly value: string })[],
): StoredSecret[] {
  return inputs.map(({ value, ...input }) => {
    const entry = parseStoredSecret(input);
    if (typeof entry === "string") {
      throw new Error(entry);
    }
    return { ...entry, value: new SecretValue(value) };
  });
}

export type Fixture = Awaited<ReturnType<typeof startFixture>>;

type FixtureOptions = Partial<Omit<GatewayOptions, "mappings">> & {
  readonly mappings?: readonly MappingInput[];
  /** Names of the upstream's certificate beside the mapped ones. */
  readonly names?: readonly string[];
  /** Of the upstream's certificate. */
  readonly upstreamAuthority?: TestAuthority;
};

export async function startFixture({
  mappings = defaultMappings,
  names = [],
  upstreamAuthority: givenAuthority,
  ...options
}: FixtureOptions = {}) {
  const service = await startOnePasswordService({
    vaults: [
      {
        title: "API Keys",
        items: [
          { title: "Anthropic", fields: [{ label: "credential", value: secrets.anthropic }] },
          { title: "OpenAI", fields: [{ label: "api-key", value: secrets.openai }] },
          {
            title: "Odd values",
            fields: [
              { label: "empty", value: "" },
              { label: "line break", value: "first\r\nX-Second: line" },
              { label: "nul", value: "a\u0000b" },
              { label: "tab", value: "a\tb" },
              { label: "emoji", value: "key-🔑" },
              { label: "latin", value: "clé-ÿ" },
              { label: "blanks", value: " in the middle and around " },
            ],
          },
        ],
      },
      {
        title: "Dev Tokens",
        items: [{ title: "GitHub", fields: [{ label: "token", value: secrets.github }] }],
      },
    ],
  });
  const upstreamAuthority = givenAuthority ?? (await TestAuthority.create("Upstream CA"));
  const hosts = mappings.map(({ hostname }) => hostname);
  const upstream = await UpstreamServer.start(upstreamAuthority, [
    ...hosts.map((host) => host.replace(/:\d+$/, "").toLowerCase()),
    ...names,
    "unmapped.example",
    "127.0.0.1",
  ]);
  const parent = await LeadingProxy.start();
  for (const host of [...hosts, ...names, "unmapped.example"]) {
    parent.routes.set(/:\d+$/.test(host) ? host : `${host}:443`, upstream.port);
  }
  const logger = recordingLogger();
  const pems = await createAuthority();
  const gateway = await Gateway.start({
    authority: await CertificateAuthority.open(pems),
    trustedRoots: [upstreamAuthority.certificate],
    parentProxy: parseParentProxy(parent.url),
    logger,
    tls: await proxyTls(),
    ...options,
    mappings: mappingsOf(mappings),
  });
  const account = gateway.newAccount(parseServiceAccountToken(service.token));
  gateway.connect(account);
  const { endpoint } = gateway;
  return {
    service,
    upstreamAuthority,
    /** Issuer of the upstream's certificate, as Node prints it. */
    upstreamIssuer: new X509Certificate(upstreamAuthority.certificate).subject,
    upstream,
    parent,
    logger,
    pems,
    gateway,
    account,
    endpoint,
    /** CONNECT and TLS to a mapped host, trusting the gateway's CA. */
    open: (target: string): ReturnType<typeof openTls> => openTls(endpoint, target, { ca: pems.certificate }),
    async stop() {
      await gateway.stop();
      account.dispose();
      await Promise.all([upstream.close(), parent.close(), service.close()]);
    },
  };
}

export const rawHost = "raw.example.com";

/** A fixture with one more mapped host, whose server sends exactly the bytes that a test tells it. */
export async function startRawFixture() {
  const fixture = await startFixture({
    mappings: ["api.openai.com", rawHost].map((hostname) => ({
      hostname,
      reference: "op://API Keys/OpenAI/api-key",
    })),
  });
  const raw = await RawServer.startTls(fixture.upstreamAuthority, [rawHost]);
  fixture.parent.routes.set(`${rawHost}:443`, raw.port);
  return {
    fixture,
    raw,
    stop: async (): Promise<void> => {
      await fixture.stop();
      await raw.close();
    },
  };
}
