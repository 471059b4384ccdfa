import assert from "node:assert/strict";
import { isOneCliError } from "../../../src/core/errors.ts";
import { parseAuthority } from "../../../src/core/hostname.ts";
import { parseMappings } from "../../../src/core/mapping.ts";
import { indexTargets } from "../../../src/core/credentialIndex.ts";

const reference = "op://Vault/Item/field";

function index(...targets: string[]) {
  const { mappings, problems } = parseMappings(
    targets.map((target) => {
      const [, off, hostname, path] = /^(!?)([^/]*)(\/.*)?$/.exec(target) ?? [];
      return { hostname, ...(path !== undefined && { path }), reference, enabled: off === "" };
    }),
  );
  assert.deepEqual(problems, []);
  const find = indexTargets(mappings);
  return (host: string, target?: string) => find(parseAuthority(host, 443), target)?.id;
}

describe("the mapping of a request (contract 45)", () => {
  it("is the one with the longest path, on the borders of segments", () => {
    const find = index("a.example/v1", "a.example/v1/admin", "a.example");
    assert.equal(find("a.example", "/v1"), "a.example/v1/");
    assert.equal(find("a.example", "/v1?x"), "a.example/v1/");
    assert.equal(find("a.example", "/v1/models"), "a.example/v1/");
    assert.equal(find("a.example", "/v1/admin/x"), "a.example/v1/admin/");
    assert.equal(find("a.example", "/v1/administrator"), "a.example/v1/");
    assert.equal(find("a.example", "/v10"), "a.example");
    assert.equal(find("a.example", "/V1/"), "a.example");
  });

  it("is none where no path fits, though the host is mapped", () => {
    const find = index("a.example/v1", "a.example/v2");
    assert.equal(find("a.example", "/"), undefined);
    assert.equal(find("a.example", "/v3"), undefined);
    assert.notEqual(find("a.example"), undefined);
    assert.equal(find("b.example"), undefined);
  });

  it("is that of a wildcard where the exact host has none for the path (contract 6)", () => {
    const find = index("a.b.example/v1", "*.b.example/v2", "*.example.com", "x.example.com/v1");
    assert.equal(find("a.b.example", "/v1"), "a.b.example/v1/");
    assert.equal(find("a.b.example", "/v2"), "*.b.example/v2/");
    assert.equal(find("a.b.example", "/v3"), undefined);
    assert.equal(find("x.example.com", "/v2"), "*.example.com");
  });

  it("is never one that is disabled", () => {
    const find = index("!a.example/v1", "a.example", "!b.example", "b.example/v1");
    assert.equal(find("a.example", "/v1"), "a.example");
    assert.equal(find("b.example", "/v2"), undefined);
    assert.equal(find("b.example", "/v1"), "b.example/v1/");
  });

  it("cannot be got or dodged by spelling", () => {
    const find = index("a.example/v1");
    for (const target of ["/v1/x", "/%76%31/x", "//v1//x", "/./v1/x", "/v2/../v1/x", "/v1/a%2Fb/x;y"]) {
      assert.equal(find("a.example", target), "a.example/v1/", target);
    }
    for (const target of [
      "/v1/../admin",
      "/v1/%2e%2e/admin",
      "/%76%31/.%2E/admin",
      "/v1\\..\\admin",
      "/x/v1/",
      "/v1x",
    ]) {
      assert.equal(find("a.example", target), undefined, target);
    }
  });

  const ambiguous = [
    "/v1//../admin",
    "/v1/..%2fadmin",
    "/v1/..%5Cadmin",
    "/v1/..;/admin",
    "/v1/%252e%252e/admin",
    "/x/..;/v1",
    "/x\\..\\..\\v1",
    "/v1%2fx",
    "/v1;x/y",
    "/v1#/../admin",
  ];
  for (const target of ambiguous) {
    it(`is not guessed where servers read the path differently: ${target}`, () => {
      const refused = (error: unknown) =>
        isOneCliError(error, "bad-request") && !error.message.includes("admin");
      const find = index("a.example/v1", "b.example", "c.example", "c.example/v1");
      assert.throws(() => find("a.example", target), refused);
      assert.throws(() => find("c.example", target), refused);
      // Where every path has the same secret, there is nothing to guess.
      assert.equal(find("b.example", target), "b.example");
    });
  }

  it("is found for paths with encoded slashes and parameters, on either side", () => {
    const find = index("gitlab.example/api/v4/projects/group%2fproject", "gitlab.example/a;b");
    const project = "gitlab.example/api/v4/projects/group%2Fproject/";
    assert.equal(find("gitlab.example", "/api/v4/projects/group%2Fproject/issues"), project);
    assert.equal(find("gitlab.example", "/api/v4/projects/group%2fother/issues"), undefined);
    assert.equal(find("gitlab.example", "/a;b/c;d"), "gitlab.example/a;b/");
  });
});
