import assert from "node:assert/strict";
import { parseAuthority } from "../../../src/core/hostname.ts";
import { parseNoProxy } from "../../../src/gateway/noProxy.ts";

const rows: readonly (readonly [list: string, covered: readonly string[], others: readonly string[]])[] = [
  ["*", ["a.example:443", "127.0.0.1:80", "[::1]:443"], []],
  ["*:8443", ["a.example:8443", "127.0.0.1:8443"], ["a.example:443"]],
  [
    "example.com",
    ["example.com:443", "EXAMPLE.com:80", "a.example.com:443", "a.b.example.com:1", "example.com.:443"],
    ["notexample.com:443", "example.com.evil.test:443", "com:443", "example.org:443"],
  ],
  [".example.com", ["example.com:443", "a.example.com:443"], ["notexample.com:443"]],
  ["*.example.com", ["example.com:443", "a.example.com:443"], ["notexample.com:443"]],
  ["Example.COM.", ["example.com:443", "a.example.com:443"], []],
  ["bücher.example", ["xn--bcher-kva.example:443"], ["bucher.example:443"]],
  ["example.com:8443", ["example.com:8443", "a.example.com:8443"], ["example.com:443"]],
  ["example.com:8443,example.com:9443", ["example.com:8443", "a.example.com:9443"], ["example.com:443"]],
  ["example.com:8443,example.com", ["example.com:8443", "example.com:443"], []],
  ["localhost", ["localhost:3000", "a.localhost:3000"], ["127.0.0.1:3000"]],
  ["10.1.2.3", ["10.1.2.3:443"], ["10.1.2.4:443", "a.10.1.2.3.example:443"]],
  ["10.1.2.3:80", ["10.1.2.3:80"], ["10.1.2.3:443"]],
  ["::1", ["[::1]:443", "[0:0::1]:80"], ["[::2]:443"]],
  ["[::1]", ["[::1]:443"], ["[::2]:443"]],
  ["[::1]:443", ["[::1]:443"], ["[::1]:80"]],
  ["10.0.0.0/8", ["10.255.0.1:443", "10.0.0.0:1"], ["11.0.0.1:443", "a.example:443", "[::a]:443"]],
  [
    "192.168.1.0/24 172.16.0.0/12",
    ["192.168.1.9:443", "172.31.255.255:443"],
    ["192.168.2.1:443", "172.32.0.1:443"],
  ],
  ["fd00::/8", ["[fd12:3456::1]:443"], ["[fe80::1]:443", "10.0.0.1:443"]],
  ["[fd00::]/8", ["[fdff::1]:443"], ["[fe00::1]:443"]],
  [
    " , a.example ,, b.example\t.c.example\n",
    ["a.example:1", "b.example:1", "x.c.example:1"],
    ["d.example:1"],
  ],
  ["", [], ["a.example:443", "127.0.0.1:80"]],
];

describe("noProxy", () => {
  for (const [list, covered, others] of rows) {
    it(`${JSON.stringify(list)} covers what it names and nothing else (contract 42)`, () => {
      const { covers, broken } = parseNoProxy([list]);
      assert.deepEqual(broken, []);
      const all = [...covered, ...others];
      assert.deepEqual(
        all.filter((text) => covers(parseAuthority(text))),
        covered,
      );
    });
  }

  it("takes several lists together", () => {
    const { covers } = parseNoProxy(["a.example", "b.example,10.0.0.0/8"]);
    for (const text of ["a.example:443", "b.example:443", "10.1.1.1:443"]) {
      assert.ok(covers(parseAuthority(text)));
    }
  });

  it("leaves out what means nothing, and says what", () => {
    const nonsense = [
      "10.0.0.0/33",
      "10.0.0/8/9",
      "example.com/24",
      "/8",
      "http://example.com",
      "a*.example",
      "**",
      "*:port",
      "example.com:0",
      "example.com:65536",
      "user@example.com",
      "a..example",
      "fd00::/129",
    ];
    const { covers, broken } = parseNoProxy([[...nonsense, "good.example"].join(",")]);
    assert.deepEqual(broken, nonsense);
    assert.ok(covers(parseAuthority("good.example:443")));
    assert.ok(!covers(parseAuthority("example.com:443")));
  });
});
