import assert from "node:assert/strict";
import { MappingStore } from "../../../src/vscode/mappingStore.ts";
import { inEnglish, ofCore, PhraseError, t } from "../../../src/vscode/phrase.ts";
import { MemoryState } from "./memory.ts";

describe("a phrase", () => {
  it("takes its arguments in any order, more than once, phrases among them, and leaves other braces alone", () => {
    assert.equal(inEnglish(t("{1}, {0}, {1}: {value} {2}", "a", 2)), "2, a, 2: {value} {2}");
    assert.equal(inEnglish(t("The value {0}.", ofCore("has a path"))), "The value has a path.");
  });

  it("is known in what the core has put together, in which names are not taken for texts", () => {
    assert.deepEqual(ofCore("More than one field matches; use the id of the field."), {
      text: "More than one {0} matches; use the id of the {0}.",
      args: [ofCore("field")],
    });
    assert.deepEqual(ofCore("header field"), { text: "header {0}", args: ["field"] });
    const unlike = "More than one field matches; use the id of the item.";
    assert.deepEqual(ofCore(unlike), { text: unlike, args: [] });
  });

  it("does not read an argument as a text with places of its own", () => {
    assert.equal(inEnglish(t("{0} {1}", "{1}", "x")), "{1} x");
  });

  it("of an error is English in its message, for logs and programs, and has the key of its translation", async () => {
    const store = new MappingStore(new MemoryState());
    const mapping = { hostname: "a.example", reference: "op://v/i/f" };
    await store.put(mapping);
    await assert.rejects(store.put(mapping), (error) => {
      assert.ok(error instanceof PhraseError);
      assert.equal(error.message, "a.example is mapped already.");
      assert.equal(error.name, "MappingError");
      assert.deepEqual(error.phrase, t("{0} is mapped already.", "a.example"));
      return true;
    });
  });
});
