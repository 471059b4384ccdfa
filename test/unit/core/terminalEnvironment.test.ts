import assert from "node:assert/strict";
import { parseMappings } from "../../../src/core/mapping.ts";
import { proxyUrl, terminalEnvironment } from "../../../src/core/terminalEnvironment.ts";

const endpoint = { port: 4711, username: "onecli", password: "p@ss:w/rd" };
const files = { ca: "/d/ca.pem", bundle: "/d/bundle.pem", additions: "/d/additions.pem" };
const mapped = (...entries: { hostname: string; path?: string; rule?: unknown; enabled?: boolean }[]) =>
  parseMappings(entries.map((entry) => ({ ...entry, reference: "op://v/i/f" }))).mappings;

describe("terminalEnvironment", () => {
  const { set, unset } = terminalEnvironment(endpoint, files, mapped({ hostname: "api.anthropic.com" }), {
    NO_PROXY: "corp.example, .lan,localhost",
  });

  it("points every proxy variable at the gateway, with its credential and without TLS", () => {
    const url = "http://onecli:p%40ss%3Aw%2Frd@127.0.0.1:4711";
    assert.equal(proxyUrl(endpoint), url);
    for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "WSS_PROXY"]) {
      assert.equal(set[name], url);
    }
  });

  it("names the merged bundle where a variable replaces the trust store, and the additions where it adds", () => {
    for (const name of [
      "SSL_CERT_FILE",
      "CURL_CA_BUNDLE",
      "REQUESTS_CA_BUNDLE",
      "GIT_SSL_CAINFO",
      "DENO_CERT",
    ]) {
      assert.equal(set[name], files.bundle);
    }
    assert.equal(set["NODE_EXTRA_CA_CERTS"], files.additions);
    assert.equal(set["SSL_CERT_DIR"], undefined);
  });

  it("keeps the user's NO_PROXY and adds this machine", () => {
    assert.equal(set["NO_PROXY"], "corp.example,.lan,localhost,127.0.0.1,::1");
    assert.equal(set["no_proxy"], set["NO_PROXY"]);
  });

  it("removes what would lead around the gateway, and the token", () => {
    assert.deepEqual(unset, ["ALL_PROXY", "all_proxy", "OP_SERVICE_ACCOUNT_TOKEN"]);
    assert.equal(set["ALL_PROXY"], undefined);
  });

  it("marks the session, so that a gateway below does not chain to this one", () => {
    assert.equal(set["ONECLI_PROXY_SESSION"], "127.0.0.1:4711");
  });

  it("sets placeholders for mapped services only, in the shape of the real key", () => {
    assert.match(set["ANTHROPIC_API_KEY"] ?? "", /^sk-ant-api03-/);
    assert.equal(set["OPENAI_API_KEY"], undefined);
    const github = terminalEnvironment(endpoint, files, mapped({ hostname: "*.github.com" }), {}).set;
    assert.match(github["GH_TOKEN"] ?? "", /^gho_[A-Za-z0-9]{36}$/);
    const disabled = mapped({ hostname: "api.openai.com", enabled: false });
    assert.equal(terminalEnvironment(endpoint, files, disabled, {}).set["OPENAI_API_KEY"], undefined);
  });

  const variables = (...entries: { hostname: string; path?: string; rule?: unknown }[]) =>
    Object.keys(terminalEnvironment(endpoint, files, mapped(...entries), {}).set);

  it("sets them for a tenant of a service, and for a host that speaks a service's language", () => {
    assert.ok(variables({ hostname: "mine.openai.azure.com" }).includes("AZURE_OPENAI_API_KEY"));
    const rule = { kind: "service", id: "anthropic" };
    assert.ok(variables({ hostname: "llm.corp.example", rule }).includes("ANTHROPIC_API_KEY"));
    assert.ok(!variables({ hostname: "llm.corp.example" }).includes("ANTHROPIC_API_KEY"));
  });

  it("sets none where another part of the service's host, or another port, is mapped", () => {
    const isSet = (path?: string) =>
      variables({ hostname: "gitlab.com", ...(path !== undefined && { path }) }).includes("GITLAB_TOKEN");
    assert.deepEqual([isSet(), isSet("/api/v4/"), isSet("/group/")], [true, true, false]);
    assert.ok(!variables({ hostname: "api.openai.com:8443" }).includes("OPENAI_API_KEY"));
    assert.ok(!variables({ hostname: "githubcopilot.com" }).includes("COPILOT_GITHUB_TOKEN"));
  });

  it("never holds what VS Code would expand", () => {
    for (const value of Object.values(set)) {
      assert.ok(!value.includes("${"), value);
    }
  });
});
