import assert from "node:assert/strict";
import * as vscode from "vscode";
import { type FieldEntry } from "../../src/core/ports.ts";
import { parseSecretReference } from "../../src/core/secretReference.ts";
import { readRequest } from "../../src/vscode/commands/explain.ts";
import { canonicalHost } from "../../src/vscode/commands/hostInput.ts";
import { referenceTo } from "../../src/vscode/commands/referenceInput.ts";
import { describeRule } from "../../src/vscode/commands/ruleInput.ts";
import { checkValue } from "../../src/vscode/commands/storedSecrets.ts";
import { readEntries } from "../../src/vscode/commands/transfer.ts";

describe("the host that was typed or pasted", () => {
  for (const [typed, host] of [
    ["api.openai.com", "api.openai.com"],
    [" API.OpenAI.com. ", "api.openai.com"],
    ["https://api.openai.com/v1/models?x#y", "api.openai.com"],
    ["https://user:password@api.openai.com:8443/", "api.openai.com:8443"],
    ["api.openai.com/v1", "api.openai.com"],
    ["*.example.com", "*.example.com"],
  ] as const) {
    it(`of ${JSON.stringify(typed)} is ${host}`, () => {
      assert.equal(canonicalHost(typed), host);
    });
  }

  for (const typed of ["", "https://", "*.com", "a b", "x".repeat(10_000)]) {
    it(`is refused: ${JSON.stringify(typed.slice(0, 20))}`, () => {
      assert.throws(() => canonicalHost(typed));
    });
  }
});

describe("the request that is to be explained", () => {
  for (const [typed, host, path, isPlain] of [
    ["api.openai.com", "api.openai.com", "/", false],
    [" API.OpenAI.com./v1/models?key=secret#x ", "api.openai.com", "/v1/models", false],
    ["https://user:password@api.openai.com:8443/v1/../x", "api.openai.com:8443", "/v1/../x", false],
    ["https://[::1]:8443/ü", "[::1]:8443", "/%C3%BC", false],
    ["wss://api.openai.com/v1/realtime", "api.openai.com", "/v1/realtime", false],
    ["http://api.openai.com/", "api.openai.com", "/", true],
    ["http://api.openai.com:80?x", "api.openai.com", "/", true],
    ["http://api.openai.com:8080", "api.openai.com:8080", "/", true],
  ] as const) {
    it(`of ${JSON.stringify(typed)} goes to ${host}${path}`, () => {
      assert.deepEqual(readRequest(typed), { host, path, isPlain });
    });
  }

  for (const typed of ["", "https://", "*.example.com", "a b", "user@host"]) {
    it(`is refused: ${JSON.stringify(typed)}`, () => {
      assert.throws(() => readRequest(typed), { name: "HostnameError" });
    });
  }
});

describe("the value of a stored secret", () => {
  for (const [what, typed, message] of [
    ["nothing", "", "Type or paste the secret."],
    ["blanks", " \t ", "Type or paste the secret."],
    ["a tab", "sk-hidden\tx", "This has a control character; a header cannot carry it."],
    ["another script", "sk-hidden-ключ", "This has a character outside Latin-1; a header cannot carry it."],
    ["a whole file", "x".repeat(70_000), "This is longer than any secret: paste the secret alone."],
  ] as const) {
    it(`is refused where it is ${what}`, () => {
      assert.equal(checkValue(typed), message);
    });
  }

  const { Info, Warning } = vscode.InputBoxValidationSeverity;
  for (const [what, typed, severity, message] of [
    ["a reference", "op://API Keys/OpenAI/api-key", Warning, /reference to 1Password/],
    ["a placeholder", "sk-proj-onecliOpenaiPlaceholder000", Warning, /placeholder/],
    ["quoted", '"sk-hidden"', Warning, /quotation marks/],
    ["between blanks", " sk-hidden", Info, /blanks around it are left out/],
  ] as const) {
    it(`is taken, and remarked on, where it is ${what}`, () => {
      const remark = checkValue(typed);
      assert.ok(typeof remark === "object");
      assert.equal(remark.severity, severity);
      assert.match(remark.message, message);
      assert.doesNotMatch(remark.message, /hidden/);
    });
  }

  it("is taken without a word otherwise", () => {
    assert.equal(checkValue("sk-proj-0123/+=é"), undefined);
  });
});

describe("the reference to a picked field", () => {
  const vault = { id: "aaaaaaaaaaaaaaaaaaaaaaaaaa", title: "API Keys" };
  const item = { id: "bbbbbbbbbbbbbbbbbbbbbbbbbb", title: "Anthropic", category: "ApiCredentials" };
  const field: FieldEntry = { id: "credential", label: "credential", type: "Concealed" };
  const choices = { vaults: [vault], items: [item], fields: [field] };

  it("is made of names", () => {
    assert.deepEqual(referenceTo({ vault, item, field }, choices), {
      reference: "op://API Keys/Anthropic/credential",
    });
    const inSection = { ...field, section: { id: "s1", title: "Keys" } };
    assert.deepEqual(referenceTo({ vault, item, field: inSection }, { ...choices, fields: [inSection] }), {
      reference: "op://API Keys/Anthropic/Keys/credential",
    });
  });

  it("asks for the code of a one-time password", () => {
    const totp = { ...field, type: "Totp" };
    assert.match(
      referenceTo({ vault, item, field: totp }, { ...choices, fields: [totp] }).reference,
      /\?attribute=otp$/,
    );
  });

  for (const [what, picked] of [
    ["a name has characters that a reference cannot carry", { ...item, title: "Anthropic (prod)" }],
    ["a name holds a slash", { ...item, title: "a/b" }],
    ["a name is not in the Latin alphabet", { ...item, title: "Schlüssel" }],
  ] as const) {
    it(`is made of ids where ${what}, with the names kept for display`, () => {
      const { reference, names } = referenceTo(
        { vault, item: picked, field },
        { ...choices, items: [picked] },
      );
      assert.equal(reference, `op://${vault.id}/${item.id}/${field.id}`);
      assert.equal(names, `API Keys/${picked.title}/credential`);
      parseSecretReference(reference);
    });
  }

  for (const [what, more] of [
    ["fields", { fields: [field, { ...field, id: "other", label: "Credential" }] }],
    ["items", { items: [item, { ...item, id: "other", title: "ANTHROPIC" }] }],
    ["vaults", { vaults: [vault, { ...vault, id: "other" }] }],
  ] as const) {
    it(`is made of ids where two ${what} have the name`, () => {
      const { reference } = referenceTo({ vault, item, field }, { ...choices, ...more });
      assert.equal(reference, `op://${vault.id}/${item.id}/${field.id}`);
    });
  }
});

describe("how a secret is sent, in words", () => {
  const rules = [
    [{ kind: "header", name: "X-Key", value: "k={value}" }, "X-Key: k={value}"],
    [{ kind: "basic", username: "me" }, "Authorization: Basic me:{value}"],
    [{ kind: "query", name: "key" }, "?key={value}"],
    [{ kind: "service", id: "gemini" }, "x-goog-api-key: {value} (Google Gemini)"],
  ] as const;
  for (const [rule, words] of rules) {
    it(`is ${words}`, () => {
      assert.equal(describeRule({ hostname: "a.example", path: "/" }, rule), words);
    });
  }

  for (const [target, words] of [
    ["api.anthropic.com/", "x-api-key: {value}"],
    ["api.openai.com/v1/", "Authorization: Bearer {value}"],
    ["a.example/", "Authorization: Bearer {value}"],
    ["maps.googleapis.com/", "?key={value}"],
    ["slack.com/", "Authorization: Bearer {value}"],
    ["gitlab.com/", "as each path wants it"],
    ["gitlab.com/api/v4/", "PRIVATE-TOKEN: {value}"],
    ["gitlab.com/group/", "Authorization: Basic oauth2:{value}"],
    ["mine.openai.azure.com/", "api-key: {value}"],
    ["*.openai.azure.com/", "api-key: {value}"],
    ["*.anthropic.com/", "as each host wants it"],
    ["*.example.com/", "as each host wants it"],
  ] as const) {
    it(`is by default, for ${target}: ${words}`, () => {
      const slash = target.indexOf("/");
      const parts = { hostname: target.slice(0, slash), path: target.slice(slash) };
      assert.equal(describeRule(parts, undefined), words);
    });
  }
});

describe("a file of mappings", () => {
  const entry = { hostname: "api.openai.com", reference: "op://a/b/c" };

  it("is read in its own form and in the plain one", () => {
    assert.deepEqual(readEntries(`\uFEFF${JSON.stringify({ mappings: [entry] })}`), [entry]);
    assert.deepEqual(readEntries('{"api.openai.com":"op://a/b/c"}'), [entry]);
  });

  for (const text of ["", "[]", "1", '{"a":1}', '"x"', "{"]) {
    it(`is refused where it is neither: ${text}`, () => {
      assert.throws(() => readEntries(text));
    });
  }
});
