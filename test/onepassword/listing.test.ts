import assert from "node:assert/strict";
import type { OnePassword } from "../../src/secrets/onePassword.ts";
import { newId } from "../support/onePassword/envelope.ts";
import { startOnePasswordService } from "../support/onePassword/service.ts";
import type { OnePasswordService } from "../support/onePassword/service.ts";
import { assertClean, canary, connect, read, refusal } from "./connection.ts";

describe("Listing what there is", () => {
  let service: OnePasswordService;
  let provider: OnePassword;

  before(async () => {
    service = await startOnePasswordService({
      vaults: [
        {
          title: "API Keys",
          items: [
            {
              title: "Anthropic",
              username: `${canary}-user`,
              password: `${canary}-password`,
              notes: `${canary}-notes`,
              fields: [
                { label: "credential", value: `${canary}-credential`, id: "credential" },
                { label: "host", value: `${canary}-host`, type: "text", section: "Server" },
                { label: "code", value: "JBSWY3DPEHPK3PXP", type: "otp", section: "Server" },
              ],
            },
            { title: "Old", archived: true },
            { title: "Bare", category: "ApiCredentials" },
          ],
        },
        { title: "Empty" },
      ],
    });
    provider = connect(service.token);
  });

  after(() => service.close());

  it("proves the token by listing the vaults", async () => {
    const host = service.address.slice("http://".length);
    assert.deepEqual(await provider.verify(), { account: `local test service (${host})`, vaults: 2 });
    assert.ok(service.requests.includes("GET v1/vaults"));
    assert.ok(service.requests.includes("GET v2/account/keysets"));
  });

  it("lists vaults and the items that are not archived", async () => {
    const [first, second] = service.account.vaults;
    assert.deepEqual(await provider.listVaults(), [
      { id: first!.id, title: "API Keys" },
      { id: second!.id, title: "Empty" },
    ]);
    assert.deepEqual(await provider.listItems(first!.id), [
      {
        id: service.account.item("API Keys", "Anthropic").id,
        title: "Anthropic",
        category: "Login",
      },
      { id: service.account.item("API Keys", "Bare").id, title: "Bare", category: "ApiCredentials" },
    ]);
    assert.deepEqual(await provider.listItems(second!.id), []);
  });

  it("lists fields without their values", async () => {
    const vault = service.account.vault("API Keys");
    const item = service.account.item("API Keys", "Anthropic");
    const fields = await provider.listFields(vault.id, item.id);
    const section = { id: item.sections[1]!.name, title: "Server" };
    const otp = item.sections[1]!.fields[1]!.n;
    const host = item.sections[1]!.fields[0]!.n;
    assert.deepEqual(fields, [
      { id: "username", label: "username", type: "Text" },
      { id: "password", label: "password", type: "Concealed" },
      { id: "credential", label: "credential", type: "Concealed" },
      { id: host, label: "host", section, type: "Text" },
      { id: otp, label: "code", section, type: "Totp" },
      { id: "notesPlain", label: "notes", type: "Notes" },
    ]);
    assertClean(fields, service.token);
    assert.ok(!JSON.stringify(fields).includes("JBSWY3DPEHPK3PXP"));
    for (const field of fields) {
      const path = field.section === undefined ? field.id : `${field.section.id}/${field.id}`;
      assert.notEqual(await read(provider, `op://${vault.id}/${item.id}/${path}`), "");
    }
    assert.deepEqual(await provider.listFields(vault.id, service.account.item("API Keys", "Bare").id), []);
  });

  it("says that a vault or an item is not there", async () => {
    const vault = service.account.vault("API Keys").id;
    await refusal(provider.listItems(newId()), "reference-not-found");
    await refusal(provider.listFields(vault, newId()), "reference-not-found");
    await refusal(provider.listFields(newId(), newId()), "reference-not-found");
  });
});
