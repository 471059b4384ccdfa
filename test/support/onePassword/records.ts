import type { Account, Item, Vault } from "./account.ts";
import { aesJwk, sealWithAes, sealWithRsa } from "./envelope.ts";

const longAgo = "2024-01-01T00:00:00Z";
/** Read and reveal; the SDK does not look at it. */
const accessBits = 32 | 16;

type WireRecord = Record<string, unknown>;

export function vaultRecord(account: Account, vault: Vault): WireRecord {
  return {
    uuid: vault.id,
    type: "U",
    createdAt: longAgo,
    updatedAt: longAgo,
    attrVersion: 1,
    contentVersion: 1,
    activeItemCount: vault.items.filter((item) => item.state === "active").length,
    clientAccess: accessBits,
    encAttrs: sealWithAes(vault.key, vault.keyId, { type: "U", name: vault.title, desc: "" }),
    combinedAccess: {
      vaultUuid: vault.id,
      accessorType: "user",
      accessorUuid: account.userId,
      accessVersion: 1,
      acl: accessBits,
      leaseTimeout: 0,
      vaultKeySN: 1,
      encryptedBy: account.keysetId,
      encVaultKey: sealWithRsa(account.publicKey, account.keysetId, aesJwk(vault.key, vault.keyId)),
    },
  };
}

/** The chain of keys: the token's master key opens a symmetric key, that one the private key, that one each vault. */
export function keysetRecord(account: Account): WireRecord {
  const kid = account.keysetId;
  const common = { alg: "RSA-OAEP", ext: true, kid };
  return {
    uuid: kid,
    sn: 1,
    encryptedBy: "mp",
    encSymKey: sealWithAes(account.masterKey, "mp", aesJwk(account.keysetKey, kid)),
    encPriKey: sealWithAes(account.keysetKey, kid, {
      ...account.privateKey.export({ format: "jwk" }),
      ...common,
      key_ops: ["decrypt"],
    }),
    pubKey: { ...account.publicKey.export({ format: "jwk" }), ...common, key_ops: ["encrypt"] },
  };
}

/** An item as lists carry it: its title, none of its values. */
export function overviewRecord(account: Account, vault: Vault, item: Item): WireRecord {
  return {
    uuid: item.id,
    templateUuid: item.template,
    trashed: item.state === "archived" ? "Y" : "N",
    createdAt: longAgo,
    updatedAt: longAgo,
    changerUuid: account.userId,
    itemVersion: item.version,
    encOverview: sealWithAes(vault.key, vault.keyId, { title: item.title, ainfo: "", URLs: [], tags: [] }),
  };
}

export function itemRecord(account: Account, vault: Vault, item: Item): WireRecord {
  const details = { fields: item.builtIn, sections: item.sections, notesPlain: item.notes };
  return {
    ...overviewRecord(account, vault, item),
    encDetails: sealWithAes(vault.key, vault.keyId, details),
  };
}
