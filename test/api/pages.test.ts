import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { startManagementApi } from "../../src/api/server.ts";
import { GatewayManagement } from "../../src/gateway/management.ts";
import { type ManagementApi, type ManagementWrites } from "../../src/shared/management.ts";
import { type Fixture, startFixture } from "../support/gatewayFixture.ts";
import { send } from "../support/managementApi.ts";

const noWrites: ManagementWrites = {
  putMapping: () => Promise.reject(new Error("not here")),
  deleteMapping: () => Promise.reject(new Error("not here")),
  connect: () => Promise.reject(new Error("not here")),
  disconnect: () => Promise.reject(new Error("not here")),
};

describe("pages beside the management API", () => {
  const token = randomBytes(32).toString("base64url");
  const authorization = `Bearer ${token}`;
  let fixture: Fixture;
  let api: ManagementApi;
  before(async () => {
    fixture = await startFixture();
    const text = (body: string) => () => Promise.resolve({ status: 200, contentType: "text/plain", body });
    api = await startManagementApi({
      management: new GatewayManagement(fixture.gateway, fixture.pems.certificate, noWrites),
      token,
      port: 0,
      pages: {
        "/readyz": { isOpen: true, answer: text("ready") },
        "/metrics": { isOpen: false, answer: text("metrics") },
        "/broken": { isOpen: true, answer: () => Promise.reject(new Error("of its own")) },
      },
    });
  });
  after(async () => {
    await api.close();
    await fixture.stop();
  });

  const ask = (path: string, headers: Record<string, string> = {}, method = "GET") =>
    send(api.port, method, path, { headers });

  it("answer a probe that has no token and calls this machine by an address of its own", async () => {
    const { status, text, headers } = await ask("/readyz?verbose", { host: "10.1.2.3:9090" });
    assert.deepEqual([status, text, headers["content-type"]], [200, "ready", "text/plain"]);
    const fromWeb = await ask("/readyz", { origin: "https://evil.example" });
    assert.equal(fromWeb.headers["x-onecli-error"], "origin-not-allowed");
  });

  it("want the token where they are not open", async () => {
    assert.equal((await ask("/metrics")).status, 401);
    assert.equal((await ask("/metrics", { authorization })).text, "metrics");
    const elsewhere = await ask("/metrics", { authorization, host: "evil.example" });
    assert.equal(elsewhere.headers["x-onecli-error"], "host-not-allowed");
  });

  it("are read only, and tell nothing of their faults", async () => {
    const posted = await ask("/metrics", { authorization }, "POST");
    assert.equal(posted.headers["x-onecli-error"], "unknown-endpoint");
    const broken = await ask("/broken");
    assert.equal(broken.headers["x-onecli-error"], "internal");
    assert.ok(!broken.text.includes("of its own"));
  });

  it("are no way to names that every object has", async () => {
    for (const path of ["/constructor", "/__proto__", "constructor"]) {
      assert.ok((await ask(path, { authorization })).status >= 400);
    }
  });

  it("go with the state of the gateway: health says that it stops", async () => {
    const own = await startFixture();
    const management = new GatewayManagement(own.gateway, own.pems.certificate, noWrites);
    const other = await startManagementApi({ management, token, port: 0 });
    const stopped = own.stop();
    const { status, text } = await send(other.port, "GET", "/api/health");
    assert.deepEqual([status, JSON.parse(text)], [503, { status: "stopping" }]);
    await stopped;
    await other.close();
  });
});
