import assert from "node:assert/strict";
import { type ActivityRecord } from "../../../src/shared/gatewayProtocol.ts";
import { toHar, toJson } from "../../../src/vscode/activityExport.ts";
import { ActivityLog } from "../../../src/vscode/activityLog.ts";

const at = Date.UTC(2026, 0, 1, 12);

const record = (id: number, more: Partial<ActivityRecord> = {}): ActivityRecord => ({
  id,
  at,
  kind: "request",
  agent: "onecli",
  method: "POST",
  host: "api.example.com",
  path: "/v1",
  status: 200,
  headMs: 12,
  totalMs: 34,
  bytesUp: 5,
  bytesDown: 6,
  ...more,
});

describe("the activity of a window", () => {
  it("is numbered through restarts of the gateway, and what a record was about is kept", () => {
    const log = new ActivityLog<string>();
    log.add([record(1), record(2)], ({ id }) => `entry ${id}`);
    log.add([record(1)], () => undefined);
    assert.deepEqual(
      log.since(0).map(({ seq, entry }) => [seq, entry]),
      [
        [0, "entry 1"],
        [1, "entry 2"],
        [2, undefined],
      ],
    );
    assert.deepEqual(
      log.since(2).map(({ seq }) => seq),
      [2],
    );
    assert.deepEqual(log.since(3), []);
  });

  it("is the last thousand of ten thousand records, which are all counted", () => {
    const log = new ActivityLog<string>();
    for (let id = 1; id <= 10_000; id++) {
      log.add([record(id, id % 10 === 0 ? { error: "denied", status: 403 } : {})], () => undefined);
    }
    const kept = log.since(0);
    assert.deepEqual([kept.length, kept[0]?.seq, kept.at(-1)?.seq], [1_000, 9_000, 9_999]);
    const [minute] = log.traffic.minutes(at, 1);
    assert.deepEqual([minute?.requests, minute?.errors], [10_000, 1_000]);
  });

  it("is forgotten when it is cleared, and goes on after that", () => {
    const log = new ActivityLog<string>();
    log.add([record(1)], () => undefined);
    log.clear();
    assert.deepEqual(log.since(0), []);
    log.add([record(2)], () => undefined);
    assert.deepEqual(
      log.since(0).map(({ seq }) => seq),
      [1],
    );
    assert.equal(log.traffic.total(at, "requests"), 2);
  });
});

describe("an export of activity", () => {
  const secret = "op://API Keys/Example/credential";
  const sent = (rule?: object, host = "api.example.com", path = "/v1") => {
    const entry = { secret, ...(rule !== undefined && { rule: rule as { kind: "query"; name: string } }) };
    const har = JSON.parse(toHar([{ seq: 0, record: record(1, { host, path }), entry }], "1.2.3")) as {
      log: { entries: { request: { url: string; headers: object[]; queryString: object[] } }[] };
    };
    return har.log.entries[0]!.request;
  };

  it("has the reference where the value went: header, Basic, query, or as the known service wants it", () => {
    assert.deepEqual(sent().headers, [{ name: "Authorization", value: `Bearer ${secret}` }]);
    assert.deepEqual(sent({ kind: "header", name: "X-Key", value: "key={value}" }).headers, [
      { name: "X-Key", value: `key=${secret}` },
    ]);
    assert.deepEqual(sent({ kind: "basic", username: "me" }).headers, [
      { name: "Authorization", value: `Basic me:${secret}` },
    ]);
    const query = sent({ kind: "query", name: "key" });
    assert.deepEqual([query.headers, query.queryString], [[], [{ name: "key", value: secret }]]);
    assert.deepEqual(sent(undefined, "api.anthropic.com").headers, [{ name: "x-api-key", value: secret }]);
  });

  it("names the address, and leaves out a tunnel, whose requests are unknown", () => {
    assert.equal(sent(undefined, "api.example.com:8443", "/a%20b").url, "https://api.example.com:8443/a%20b");
    assert.equal(sent(undefined, "plain.example.com:80").url, "http://plain.example.com:80/v1");
    const tunnel = { seq: 1, record: record(2, { kind: "tunnel", path: "" }), entry: undefined };
    assert.match(toHar([tunnel], "1.2.3"), /"entries": \[\]/);
    const { activity } = JSON.parse(toJson([tunnel])) as { activity: object[] };
    assert.deepEqual(activity, [
      {
        time: "2026-01-01T12:00:00.000Z",
        kind: "tunnel",
        agent: "onecli",
        method: "POST",
        host: "api.example.com",
        path: "",
        status: 200,
        headMs: 12,
        totalMs: 34,
        bytesUp: 5,
        bytesDown: 6,
      },
    ]);
  });
});
