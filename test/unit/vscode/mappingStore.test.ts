import assert from "node:assert/strict";
import { MappingError, MappingStore, toInput } from "../../../src/vscode/mappingStore.ts";
import { MemoryState } from "./memory.ts";

const key = "onecli.mappings";
const reference = "op://Vault/Item/field";
const hosts = (store: MappingStore) => store.entries.map(({ hostname }) => hostname);

describe("MappingStore", () => {
  it("keeps mappings over a restart, in their order and with the names to show", async () => {
    const state = new MemoryState();
    const store = new MappingStore(state);
    await store.put({ hostname: "B.example.", reference });
    await store.put({
      hostname: "a.example",
      reference: "op://v/i/f",
      names: "Väult/Itém/field",
      enabled: false,
    });
    const reopened = new MappingStore(state);
    assert.deepEqual(hosts(reopened), ["b.example", "a.example"]);
    const entry = reopened.find("a.example");
    assert.equal(entry?.stored.names, "Väult/Itém/field");
    assert.deepEqual(toInput(entry), { hostname: "a.example", reference: "op://v/i/f", enabled: false });
    assert.equal(reopened.problem, undefined);
  });

  it("changes a mapping in its place, its host as well", async () => {
    const store = new MappingStore(new MemoryState());
    for (const hostname of ["a.example", "b.example", "c.example"]) {
      await store.put({ hostname, reference });
    }
    await store.put({ hostname: "z.example", reference }, "b.example");
    assert.deepEqual(hosts(store), ["a.example", "z.example", "c.example"]);
    await store.remove("a.example");
    assert.deepEqual(hosts(store), ["z.example", "c.example"]);
  });

  it("takes a mapping at a place, and as the last where there are fewer", async () => {
    const state = new MemoryState();
    const store = new MappingStore(state);
    await store.put({ hostname: "a.example", reference });
    await store.put({ hostname: "c.example", reference });
    await store.insert({ hostname: "b.example", reference }, 1);
    await store.insert({ hostname: "d.example", reference }, 7);
    await assert.rejects(store.insert({ hostname: "a.example", reference }, 2), /is mapped already/);
    assert.deepEqual(hosts(new MappingStore(state)), ["a.example", "b.example", "c.example", "d.example"]);
  });

  it("tells mappings of one host apart by their canonical path, over a restart as well", async () => {
    const state = new MemoryState();
    const store = new MappingStore(state);
    const rule = { kind: "query", name: "key" } as const;
    await store.put({ hostname: "a.example", path: "/", reference });
    await store.put({ hostname: "a.example", path: "/%76%31", reference, rule });
    await assert.rejects(store.put({ hostname: "a.example", path: "//v1/", reference }), MappingError);
    const reopened = new MappingStore(state);
    assert.deepEqual(
      reopened.entries.map(({ id, stored }) => [id, stored]),
      [
        ["a.example", { hostname: "a.example", reference }],
        ["a.example/v1/", { hostname: "a.example", path: "/v1/", reference, rule }],
      ],
    );
    await reopened.put({ hostname: "a.example", path: "/v2", reference }, "a.example/v1/");
    await reopened.remove("a.example");
    assert.deepEqual(
      reopened.entries.map(({ id }) => id),
      ["a.example/v2/"],
    );
  });

  it("reads what was stored before there were paths and kinds of rules", async () => {
    const state = new MemoryState();
    const rule = { kind: "header", name: "X-Key", value: "{value}" };
    const stored = [{ hostname: "a.example", reference, names: "V/I/f", rule, enabled: false }];
    await state.update(key, { version: 1, mappings: stored });
    const store = new MappingStore(state);
    assert.equal(store.problem, undefined);
    assert.deepEqual(
      store.entries.map((entry) => entry.stored),
      stored,
    );
  });

  it("refuses what is no mapping, and a host that is mapped already", async () => {
    const store = new MappingStore(new MemoryState());
    await store.put({ hostname: "a.example", reference });
    await store.put({ hostname: "b.example", reference });
    for (const [input, replacing] of [
      [{ hostname: "*.com", reference }, undefined],
      [{ hostname: "c.example", reference: "secret" }, undefined],
      [{ hostname: "A.example:443", reference }, undefined],
      [{ hostname: "a.example", reference }, "b.example"],
    ] as const) {
      await assert.rejects(store.put(input, replacing), MappingError);
    }
    assert.deepEqual(hosts(store), ["a.example", "b.example"]);
  });

  it("keeps a broken entry aside, says why, and loses it in no later change", async () => {
    const state = new MemoryState();
    const broken = { hostname: "*.com", reference };
    const twin = { hostname: "A.example.", reference };
    await state.update(key, { version: 1, mappings: [broken, { hostname: "a.example", reference }, twin] });
    const store = new MappingStore(state);
    assert.deepEqual(hosts(store), ["a.example"]);
    assert.equal(store.problem?.kind, "broken");
    assert.match(JSON.stringify(store.problem), /public suffix/);
    await store.put({ hostname: "b.example", reference });
    const { mappings } = state.get(key) as { mappings: unknown[] };
    assert.deepEqual(mappings.slice(2), [broken, twin]);
  });

  for (const state of [{ version: 2, mappings: [] }, { version: 1 }, "text", { mappings: [] }]) {
    it(`leaves ${JSON.stringify(state)} alone, which a later version must have written`, async () => {
      const memory = new MemoryState();
      await memory.update(key, state);
      const store = new MappingStore(memory);
      assert.deepEqual(store.problem, { kind: "future" });
      await assert.rejects(store.put({ hostname: "a.example", reference }), MappingError);
      assert.deepEqual(memory.get(key), state);
    });
  }
});
