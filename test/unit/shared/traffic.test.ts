import assert from "node:assert/strict";
import { Traffic } from "../../../src/shared/traffic.ts";

const minute = 60_000;
const start = Date.UTC(2026, 0, 1, 12, 0);

describe("traffic", () => {
  it("counts per minute, and shows quiet minutes as well", () => {
    const traffic = new Traffic();
    traffic.add(start, "requests");
    traffic.add(start + minute - 1, "requests");
    traffic.add(start + 2 * minute, "requests");
    traffic.add(start + 2 * minute, "errors");
    traffic.add(start + 2 * minute, "reads", 3);
    const first = start / minute;
    assert.deepEqual(traffic.minutes(start + 2 * minute + 1, 4), [
      { minute: first - 1, requests: 0, errors: 0, reads: 0 },
      { minute: first, requests: 2, errors: 0, reads: 0 },
      { minute: first + 1, requests: 0, errors: 0, reads: 0 },
      { minute: first + 2, requests: 1, errors: 1, reads: 3 },
    ]);
    assert.equal(traffic.minutes(start).length, 60);
  });

  it("sums up an hour and a day, and forgets what is older", () => {
    const traffic = new Traffic();
    const day = 24 * 60 * minute;
    traffic.add(start - day + minute, "reads", 5);
    traffic.add(start - 60 * minute, "reads", 7);
    traffic.add(start - 59 * minute, "reads", 11);
    assert.equal(traffic.total(start, "reads"), 23);
    assert.equal(traffic.total(start, "reads", 60), 11);
    assert.equal(traffic.total(start + minute, "reads"), 18);
    traffic.add(start + minute, "reads", 1);
    assert.equal(traffic.total(start + minute, "reads"), 19);
    traffic.add(start - day + minute, "reads", 100);
    assert.equal(traffic.total(start + minute, "reads"), 19, "what is late by a day is left out");
  });

  it("takes the same room however much happens, and a clock that was set back", () => {
    const traffic = new Traffic();
    for (let index = 0; index < 100_000; index++) {
      traffic.add(start + index * 997, "requests");
    }
    const now = start + 99_999 * 997;
    assert.ok(traffic.total(now, "requests") <= 24 * 60 * 61);
    traffic.add(start + minute, "requests");
    assert.equal(traffic.minutes(now).length, 60);
  });
});
