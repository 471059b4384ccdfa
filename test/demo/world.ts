// The world around the gateway of the demo: a 1Password service, vendors' APIs and a company proxy, all local.
import { randomBytes } from "node:crypto";
import { type IncomingMessage, type ServerResponse } from "node:http";
import { TestAuthority } from "../support/certificates.ts";
import { LeadingProxy } from "../support/leadingProxy.ts";
import { startOnePasswordService } from "../support/onePassword/service.ts";
import { UpstreamServer } from "../support/upstreamServer.ts";

const random = (bytes: number) => randomBytes(bytes).toString("hex");

export type World = Awaited<ReturnType<typeof startWorld>>;

export async function startWorld() {
  const secrets = {
    anthropic: `sk-ant-api03-${random(24)}`,
    openai: `sk-proj-${random(24)}`,
    github: `ghp_${random(18)}`,
  };
  const service = await startOnePasswordService({
    vaults: [
      {
        title: "API Keys",
        items: [
          { title: "Anthropic", fields: [{ label: "credential", value: secrets.anthropic }] },
          { title: "OpenAI", fields: [{ label: "api-key", value: secrets.openai }] },
        ],
      },
      {
        title: "Dev Tokens",
        items: [{ title: "GitHub", fields: [{ label: "token", value: secrets.github }] }],
      },
    ],
  });
  const hosts = ["api.anthropic.com", "api.openai.com", "api.github.com", "example.com"];
  const authority = await TestAuthority.create("Demo upstream CA");
  const upstream = await UpstreamServer.start(authority, hosts);
  upstream.handler = answer;
  const parent = await LeadingProxy.start();
  for (const host of hosts) {
    parent.routes.set(`${host}:443`, upstream.port);
  }
  return {
    secrets,
    service,
    upstream,
    parent,
    /** PEM; the gateway is told to trust it, as a company's own CA would be. */
    authority: authority.certificate,
    mappings: [
      { hostname: "api.anthropic.com", reference: "op://API Keys/Anthropic/credential" },
      { hostname: "api.openai.com", reference: "op://API Keys/OpenAI/api-key" },
      { hostname: "api.github.com", reference: "op://Dev Tokens/GitHub/token" },
    ],
    async stop() {
      await Promise.all([upstream.close(), parent.close(), service.close()]);
    },
  };
}

/** Says hello like an API, and like a git server where git asks. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  if (request.url?.includes("/info/refs") === true) {
    response.setHeader("content-type", "text/plain");
    response.end(`${"a1".repeat(20)}\trefs/heads/main\n`);
    return;
  }
  response.setHeader("content-type", "application/json");
  const { host, authorization, "x-api-key": apiKey } = request.headers;
  const received = [apiKey ?? authorization ?? ""].flat().join();
  response.end(`${JSON.stringify({ hello: host, received: shorten(received) })}\n`);
}

/** Enough to recognise a made-up key by, and no more: what a vendor answers, the agent reads. */
export function shorten(text: string): string {
  return text.length <= 30 ? text : `${text.slice(0, 21)}…${text.slice(-6)}`;
}
