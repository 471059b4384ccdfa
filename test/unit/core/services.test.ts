import assert from "node:assert/strict";
import { formatHostPattern, parseHostPattern } from "../../../src/core/hostname.ts";
import { inject } from "../../../src/core/injection.ts";
import { ruleSchema } from "../../../src/core/target.ts";
import { mayHoldPlaceholder } from "../../../src/core/placeholders.ts";
import { parsePathPrefix } from "../../../src/core/requestPath.ts";
import { SecretValue } from "../../../src/core/secretValue.ts";
import { injectionRule, leakedPlaceholder, serviceOfHost } from "../../../src/core/serviceRules.ts";
import { knownServices } from "../../../src/core/services.ts";

const authorization = (scheme: string) => ["Authorization", scheme];
const basic = (text: string) => authorization(`Basic ${Buffer.from(text).toString("base64")}`);

/** What the secret `S` becomes at a host; what of the client's own is dropped beside it. */
const rows: Readonly<
  Record<string, readonly [host: string, sent: readonly string[] | string, dropped?: string]>
> = {
  anthropic: ["api.anthropic.com", ["x-api-key", "S"], "authorization"],
  openai: ["api.openai.com", authorization("Bearer S")],
  gemini: ["generativelanguage.googleapis.com", ["x-goog-api-key", "S"], "authorization ?key"],
  "azure-openai": ["mine.openai.azure.com", ["api-key", "S"], "authorization ?api-key"],
  mistral: ["api.mistral.ai", authorization("Bearer S")],
  groq: ["api.groq.com", authorization("Bearer S")],
  cohere: ["api.cohere.com", authorization("Bearer S")],
  deepseek: ["api.deepseek.com", authorization("Bearer S")],
  xai: ["api.x.ai", authorization("Bearer S")],
  openrouter: ["openrouter.ai", authorization("Bearer S")],
  together: ["api.together.xyz", authorization("Bearer S")],
  fireworks: ["api.fireworks.ai", authorization("Bearer S")],
  perplexity: ["api.perplexity.ai", authorization("Bearer S")],
  cerebras: ["api.cerebras.ai", authorization("Bearer S")],
  dashscope: ["dashscope-intl.aliyuncs.com", authorization("Bearer S")],
  huggingface: ["router.huggingface.co", authorization("Bearer S")],
  replicate: ["api.replicate.com", authorization("Bearer S")],
  voyage: ["api.voyageai.com", authorization("Bearer S")],
  elevenlabs: ["api.elevenlabs.io", ["xi-api-key", "S"], "authorization"],
  deepgram: ["api.deepgram.com", authorization("Token S")],
  assemblyai: ["api.assemblyai.com", authorization("S")],
  brave: ["api.search.brave.com", ["X-Subscription-Token", "S"]],
  tavily: ["api.tavily.com", authorization("Bearer S")],
  exa: ["api.exa.ai", ["x-api-key", "S"], "authorization"],
  firecrawl: ["api.firecrawl.dev", authorization("Bearer S")],
  serpapi: ["serpapi.com", "api_key=S"],
  pinecone: ["index-1.svc.aped.pinecone.io", ["Api-Key", "S"], "authorization"],
  github: ["api.github.com", authorization("Bearer S")],
  "github-git": ["github.com", basic("x-access-token:S")],
  "github-copilot": ["api.individual.githubcopilot.com", authorization("Bearer S")],
  gitlab: ["gitlab.com", ["PRIVATE-TOKEN", "S"], "authorization ?private_token"],
  "gitlab-git": ["gitlab.com", basic("oauth2:S")],
  bitbucket: ["api.bitbucket.org", authorization("Bearer S")],
  "bitbucket-git": ["bitbucket.org", basic("x-token-auth:S")],
  circleci: ["circleci.com", ["Circle-Token", "S"], "authorization ?circle-token"],
  npm: ["registry.npmjs.org", authorization("Bearer S")],
  pypi: ["upload.pypi.org", basic("__token__:S")],
  cloudflare: ["api.cloudflare.com", authorization("Bearer S"), "x-auth-key x-auth-email"],
  digitalocean: ["api.digitalocean.com", authorization("Bearer S")],
  vercel: ["api.vercel.com", authorization("Bearer S")],
  netlify: ["api.netlify.com", authorization("Bearer S")],
  supabase: ["abcdefghijklmnopqrst.supabase.co", ["apikey", "S"], "authorization ?apikey"],
  "supabase-management": ["api.supabase.com", authorization("Bearer S")],
  heroku: ["api.heroku.com", authorization("Bearer S")],
  sentry: ["sentry.io", authorization("Bearer S")],
  datadog: ["api.datadoghq.eu", ["DD-API-KEY", "S"]],
  newrelic: ["api.newrelic.com", ["API-Key", "S"], "x-api-key"],
  pagerduty: ["api.pagerduty.com", authorization("Token token=S")],
  slack: ["slack.com", authorization("Bearer S")],
  discord: ["discord.com", authorization("Bot S")],
  notion: ["api.notion.com", authorization("Bearer S")],
  linear: ["api.linear.app", authorization("S")],
  atlassian: ["mine.atlassian.net", authorization("Bearer S")],
  airtable: ["api.airtable.com", authorization("Bearer S")],
  figma: ["api.figma.com", ["X-Figma-Token", "S"], "authorization"],
  hubspot: ["api.hubapi.com", authorization("Bearer S")],
  stripe: ["api.stripe.com", authorization("Bearer S")],
  shopify: ["mine.myshopify.com", ["X-Shopify-Access-Token", "S"]],
  twilio: ["api.twilio.com", authorization("Bearer S")],
  sendgrid: ["api.sendgrid.com", authorization("Bearer S")],
  mailgun: ["api.mailgun.net", basic("api:S")],
  resend: ["api.resend.com", authorization("Bearer S")],
  "google-maps": ["maps.googleapis.com", "key=S"],
  openweather: ["api.openweathermap.org", "appid=S"],
};

/** A request with every credential that any of the services knows, and more. */
const everyCredential = [
  ...new Set(knownServices.flatMap(({ credentials = [] }) => credentials)),
  "?key",
  "?appid",
  "?api_key",
];
const everyField = [
  "accept",
  "notion-version",
  "dd-application-key",
  ...everyCredential.filter((name) => !name.startsWith("?")),
];
const everyParameter = [...new Set(everyCredential.filter((name) => name.startsWith("?")))];

describe("known services (contract 45, 46)", () => {
  it("are all in the table of this test", () => {
    assert.deepEqual(
      knownServices.map(({ id }) => id),
      Object.keys(rows),
    );
    assert.ok(knownServices.length >= 40);
  });

  for (const service of knownServices) {
    const [host, sent, dropped = ""] = rows[service.id] ?? ["", ""];
    it(`${service.name} gets its credential as it wants it, and none of the client's`, () => {
      const parameters = everyParameter.map((name) => `${name.slice(1)}=own`).join("&");
      const path = `${service.path ?? "/some/"}thing`;
      const head = {
        headers: everyField.flatMap((name) => [name, "own"]),
        path: `${path}?a=1&${parameters}`,
      };
      const rule = injectionRule(undefined, host, head.path);
      const result = inject(head, rule, new SecretValue("S"));
      assert.equal(serviceOfHost(host, head.path)?.id, service.id);
      const gone = new Set([...dropped.split(" "), typeof sent === "string" ? "" : sent[0]?.toLowerCase()]);
      const kept = everyField.filter((name) => !gone.has(name)).flatMap((name) => [name, "own"]);
      assert.deepEqual(result.headers, typeof sent === "string" ? kept : [...kept, ...sent]);
      const expected = everyParameter
        .filter((name) => !gone.has(name))
        .map((name) => `${name.slice(1)}=own`)
        .map((text) => (typeof sent === "string" && text.startsWith(sent.slice(0, -1)) ? sent : text));
      assert.equal(result.path, `${path}?a=1&${expected.join("&")}`);
    });

    it(`${service.name} is a sound row`, () => {
      for (const name of service.hosts) {
        // What a mapping must not have may stand here: *.supabase.co has many owners.
        const exact = name.replace(/^\*\./, "tenant.");
        assert.equal(formatHostPattern(parseHostPattern(exact)), exact);
      }
      assert.equal(parsePathPrefix(service.path ?? "/"), service.path ?? "/");
      assert.match(service.docs, /^https:\/\/[a-z.-]+\/\S*$/);
      assert.ok((service.credentials ?? []).every((name) => name === name.toLowerCase()));
      const { success } = ruleSchema.safeParse({ kind: "service", id: service.id });
      assert.equal(success, service.username === undefined);
      if (service.placement !== undefined) {
        assert.ok(ruleSchema.safeParse(service.placement).success);
      }
    });
  }

  it("have ids and hosts of their own", () => {
    const ids = knownServices.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    const targets = knownServices.flatMap(({ hosts, path = "/" }) => hosts.map((host) => host + path));
    assert.equal(new Set(targets).size, targets.length);
  });
});

describe("placeholders", () => {
  const all = knownServices.flatMap((service) =>
    Object.entries(service.placeholders).map(([variable, placeholder]) => ({
      service,
      variable,
      placeholder,
    })),
  );

  it("are found by one look, and need no encoding anywhere", () => {
    for (const { placeholder } of all) {
      assert.ok(mayHoldPlaceholder(placeholder), placeholder);
      assert.match(placeholder, /^[A-Za-z0-9._~-]+$/);
    }
    assert.equal(mayHoldPlaceholder("Bearer sk-ant-api03-real"), false);
  });

  it("belong to one variable, and to one service, or to two that take the same key", () => {
    const variables = all.map(({ variable }) => variable);
    assert.equal(new Set(variables).size, variables.length);
    for (const { placeholder, service } of all) {
      const others = all.filter(
        (other) => other.placeholder.includes(placeholder) && other.service !== service,
      );
      assert.ok(
        others.every((other) => [service.id, other.service.id].every((id) => id.startsWith("github"))),
        placeholder,
      );
    }
  });

  const shapes: readonly (readonly [string, RegExp])[] = [
    ["ANTHROPIC_API_KEY", /^sk-ant-api03-[\w-]+AA$/],
    ["OPENAI_API_KEY", /^sk-proj-[\w-]+$/],
    ["GEMINI_API_KEY", /^AIza[\w-]{35}$/],
    ["GH_TOKEN", /^gho_[A-Za-z0-9]{36}$/],
    ["COPILOT_GITHUB_TOKEN", /^gho_[A-Za-z0-9]{36}$/],
    ["HF_TOKEN", /^hf_[A-Za-z0-9]{34}$/],
    ["REPLICATE_API_TOKEN", /^r8_[A-Za-z0-9]{37}$/],
    ["SUPABASE_ACCESS_TOKEN", /^sbp_[a-f0-9]{40}$/],
    ["DD_API_KEY", /^[a-f0-9]{32}$/],
    ["NPM_TOKEN", /^npm_[A-Za-z0-9]{36}$/],
    ["SENTRY_AUTH_TOKEN", /^sntryu_[a-f0-9]{64}$/],
  ];
  for (const [variable, shape] of shapes) {
    it(`${variable} has the shape of the real one`, () => {
      assert.match(all.find((entry) => entry.variable === variable)?.placeholder ?? "", shape);
    });
  }

  const openai = knownServices.find(({ id }) => id === "openai")?.placeholders["OPENAI_API_KEY"] ?? "";
  const github = knownServices.find(({ id }) => id === "github")?.placeholders["GH_TOKEN"] ?? "";
  const azure =
    knownServices.find(({ id }) => id === "azure-openai")?.placeholders["AZURE_OPENAI_API_KEY"] ?? "";
  const leaks: readonly (readonly [string, string[], string, string, string | undefined])[] = [
    ["in a field", ["Authorization", `Bearer ${openai}`], "/", "evil.example", "openai"],
    ["in any field", ["Accept", "*/*", "X-Other", openai], "/", "evil.example", "openai"],
    ["in the query", [], `/?key=${openai}`, "evil.example", "openai"],
    ["as a password", basic(`x:${github}`), "/", "evil.example", "github"],
    ["of hexadecimal digits", ["Api-Key", azure], "/", "evil.example", "azure-openai"],
    ["on its way to its service", ["Authorization", `Bearer ${openai}`], "/", "api.openai.com", undefined],
    ["on its way to one of its services", basic(`x:${github}`), "/", "api.githubcopilot.com", undefined],
    ["on its way to git's host", basic(`x:${github}`), "/", "github.com", undefined],
    ["on its way to a tenant of its service", ["Api-Key", azure], "/", "mine.openai.azure.com", undefined],
    ["on its way to a name that looks like it", ["A", azure], "/", "openai.azure.com", "azure-openai"],
    ["that is none", ["Authorization", "Basic ???", "X", "onecli"], "/onecli", "evil.example", undefined],
  ];
  for (const [what, headers, path, host, service] of leaks) {
    it(`${what}: ${service === undefined ? "no leak" : `a leak of ${service}`}`, () => {
      assert.equal(leakedPlaceholder({ headers, path }, host), service);
    });
  }
});
