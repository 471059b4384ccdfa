import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { isOneCliError } from "../../src/core/errors.ts";
import { parseServiceAccountToken } from "../../src/core/serviceAccountToken.ts";
import { startOnePasswordService } from "../support/onePassword/service.ts";
import type { OnePasswordService } from "../support/onePassword/service.ts";
import { assertClean, connect, refusal } from "./connection.ts";

function encode(content: unknown): string {
  return `ops_${Buffer.from(JSON.stringify(content)).toString("base64url")}`;
}

function decode(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.slice(4), "base64url").toString()) as Record<string, unknown>;
}

describe("Service Account token", () => {
  let service: OnePasswordService;
  const sockets: unknown[] = [];
  const count = (message: unknown) => sockets.push(message);

  before(async () => {
    service = await startOnePasswordService();
    subscribe("net.client.socket", count);
  });

  after(async () => {
    unsubscribe("net.client.socket", count);
    await service.close();
  });

  beforeEach(() => {
    sockets.length = 0;
  });

  function refuse(pasted: string, message: RegExp): void {
    assert.throws(
      () => parseServiceAccountToken(pasted),
      (error: unknown) => {
        assert.ok(isOneCliError(error, "token-invalid"));
        assert.match(error.message, message);
        assertClean(error, service.token);
        return true;
      },
    );
    assert.equal(sockets.length, 0);
    assert.deepEqual(service.requests, []);
  }

  it("says where it signs in, and that this server is a local one", () => {
    const parsed = parseServiceAccountToken(`\n  ${service.token}\r\n`);
    assert.equal(parsed.signInAddress, service.address);
    assert.equal(parsed.host, "127.0.0.1");
    assert.equal(parsed.isLocalTestService, true);
    assert.equal(parsed.account, `local test service (${service.address.slice("http://".length)})`);
    assert.equal(parsed.email, service.account.email);
  });

  it("is taken in base64url and in padded base64", () => {
    const padded = `ops_${Buffer.from(service.token.slice(4), "base64url").toString("base64")}`;
    assert.equal(parseServiceAccountToken(padded).email, service.account.email);
    assert.equal(
      parseServiceAccountToken(service.account.tokenWith({ note: "ÿ?~" })).email,
      service.account.email,
    );
  });

  it("keeps the members it does not know", () => {
    const token = service.account.tokenWith({ somethingElse: { a: [1] } });
    const handedOn = decode(parseServiceAccountToken(token).token);
    assert.deepEqual(handedOn, decode(token));
  });

  const accepted: readonly (readonly [string, string])[] = [
    ["example.1password.com", "https://example.1password.com"],
    ["https://my.1password.com", "https://my.1password.com"],
    ["https://my.1password.com/", "https://my.1password.com"],
    ["HTTPS://My.1Password.EU:443", "https://my.1password.eu"],
    ["1password.ca", "https://1password.ca"],
    ["a.b-c.1password.eu", "https://a.b-c.1password.eu"],
    ["http://127.0.0.1:8080", "http://127.0.0.1:8080"],
    ["http://127.255.0.10", "http://127.255.0.10"],
    ["https://[::1]:8443/", "https://[::1]:8443"],
    ["localhost:3000", "https://localhost:3000"],
    ["http://LOCALHOST:80", "http://localhost"],
  ];
  for (const [address, origin] of accepted) {
    it(`accepts the sign-in address ${address}`, () => {
      const parsed = parseServiceAccountToken(service.account.tokenWith({ signInAddress: address }));
      assert.equal(parsed.signInAddress, origin);
      assert.equal(decode(parsed.token)["signInAddress"], origin);
      assert.equal(parsed.isLocalTestService, !origin.includes("1password"));
    });
  }

  const foreign: readonly string[] = [
    "https://1password.com.evil.com",
    "https://evil1password.com",
    "https://example.com",
    "https://my.1password.org",
    "https://my.1password.com.",
    "https://my..1password.com",
    "https://.1password.com",
    "https://-.1password.com",
    "http://my.1password.com",
    "https://my.1password.com:8443",
    "https://my.1password.com:0443",
    "https://my.1password.com/path",
    "https://my.1password.com//",
    "https://my.1password.com?x",
    "https://my.1password.com#x",
    "https://my.1password.com\\@evil.com",
    "https://user@my.1password.com",
    "https://user:password@my.1password.com",
    "https://evil.com/.1password.com",
    "https://evil.com#.1password.com",
    "https://my.1password.com evil.com",
    " https://my.1password.com",
    "https://my.1password.com\n",
    "https://my.1password.com\t",
    "//my.1password.com",
    "https:my.1password.com",
    "https:///my.1password.com",
    "ftp://my.1password.com",
    "https://my.1pa\u017F\u017Fword.com",
    "https://my.1password\u3002com",
    "https://my%2e1password.com",
    "http://127.1",
    "http://2130706433",
    "http://0x7f.0.0.1",
    "http://0177.0.0.1",
    "http://127.0.0.01",
    "http://127.0.0.256",
    "http://127.0.0.1.",
    "http://127.0.0.1.evil.com",
    "http://localhost.evil.com",
    "http://localhost.",
    "http://0.0.0.0",
    "http://10.0.0.1",
    "http://[::]",
    "http://[::ffff:127.0.0.1]",
    "http://[0:0:0:0:0:0:0:1]",
    "http://127.0.0.1:0",
    "http://127.0.0.1:65536",
    "http://127.0.0.1:",
    "http://127.0.0.1@evil.com",
    "http://",
    "https://",
  ];
  for (const address of foreign) {
    it(`refuses ${JSON.stringify(address)} and asks nobody (contract 30)`, () => {
      refuse(
        service.account.tokenWith({ signInAddress: address }),
        /sign-in address that is not 1Password's/,
      );
    });
  }

  it("refuses what is malformed and asks nobody (contract 30)", () => {
    const damaged = /incomplete or damaged/;
    refuse("", /No token was given/);
    refuse(" \r\n\t", /No token was given/);
    for (const other of ["hello", "eyJhbGciOiJFUzI1NiJ9.e30.sig", "OPS_abc", `x${service.token}`]) {
      refuse(other, /not the token of a 1Password Service Account.*ops_/);
    }
    refuse("ops_", damaged);
    refuse("ops_!!!!", damaged);
    refuse(service.token.slice(0, 200), damaged);
    refuse(service.token.slice(0, -3), damaged);
    refuse(`${service.token.slice(0, 100)}\n${service.token.slice(100)}`, damaged);
    refuse(`${service.token}.`, damaged);
    refuse(`ops_${Buffer.from([0x7b, 0xff, 0x7d]).toString("base64url")}`, damaged);
    for (const content of [null, [], "text", 1, {}]) {
      refuse(encode(content), damaged);
    }
    for (const member of ["signInAddress", "userAuth", "email", "srpX", "muk", "secretKey", "deviceUuid"]) {
      refuse(service.account.tokenWith({ [member]: undefined }), damaged);
      refuse(service.account.tokenWith({ [member]: "" }), /incomplete or damaged/);
      refuse(service.account.tokenWith({ [member]: 7 }), damaged);
    }
  });

  it("is refused by the SDK, without a request, where only the SDK knows the form (contract 30)", async () => {
    const token = service.account.tokenWith({ srpX: "not hex" });
    const provider = connect(token);
    await refusal(provider.verify(), "token-invalid", token);
    await refusal(connect(service.account.tokenWith({ email: "no address" })).verify(), "token-invalid");
    assert.equal(sockets.length, 0);
    assert.deepEqual(service.requests, []);
  });

  it("cannot name a second server beside the checked one (contract 30)", async () => {
    const json = Buffer.from(service.token.slice(4), "base64url").toString();
    const twice = (first: string, last: string) => {
      const rest = json.replace(/^\{"signInAddress":"[^"]*",/, "");
      const text = `{"signInAddress":"${first}","signInAddress":"${last}",${rest}`;
      return `ops_${Buffer.from(text).toString("base64url")}`;
    };
    refuse(twice(service.address, "https://evil.example"), /sign-in address that is not/);
    const parsed = parseServiceAccountToken(twice("https://evil.example", service.address));
    assert.doesNotMatch(Buffer.from(parsed.token.slice(4), "base64url").toString(), /evil/);
    const provider = connect(twice("https://evil.example", service.address));
    assert.deepEqual(await provider.verify(), { account: parsed.account, vaults: 0 });
    service.clearRequests();
  });
});
