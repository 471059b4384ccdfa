// How a reference that is being typed could go on, by the names in the vaults.
import type { FieldEntry, ItemEntry, VaultEntry } from "../core/ports.ts";
import { parseSecretReference } from "../core/secretReference.ts";
import type { Answer } from "../shared/webviewProtocol.ts";
import { referenceTo } from "./commands/referenceInput.ts";

export interface Listing {
  listVaults(): Promise<readonly VaultEntry[]>;
  listItems(vaultId: string): Promise<readonly ItemEntry[]>;
  listFields(vaultId: string, itemId: string): Promise<readonly FieldEntry[]>;
}

type Choices = Answer<"complete">;

/** Milliseconds for which names are not asked for again: typing is many questions, and each costs quota. */
const freshness = 60_000;

const prefix = "op://";
const maxChoices = 100;

export class ReferenceCompletion {
  readonly #listing: Listing;
  readonly #known = new Map<string, { readonly at: number; readonly names: Promise<unknown> }>();

  constructor(listing: Listing) {
    this.#listing = listing;
  }

  /** Names of another account are of no use. */
  forget(): void {
    this.#known.clear();
  }

  vaults(): Promise<readonly VaultEntry[]> {
    return this.#remember("", () => this.#listing.listVaults());
  }

  /** @throws OneCliError where 1Password cannot be asked. */
  async complete(text: string): Promise<Choices> {
    const isReference = text.startsWith(prefix);
    const parts = isReference ? text.slice(prefix.length).split("/") : [prefix.startsWith(text) ? "" : text];
    const vaults = await this.vaults();
    const [vaultName = "", itemName = "", ...fieldParts] = parts;
    if (parts.length === 1) {
      return choose(
        vaults,
        ({ title }) => title,
        vaultName,
        (vault) => ({
          text: `${prefix}${partOf(vault, vaults)}/`,
          label: vault.title,
        }),
      );
    }
    const vault = named(vaults, vaultName);
    if (vault === undefined) {
      return [];
    }
    const items = await this.#remember(vault.id, () => this.#listing.listItems(vault.id));
    if (parts.length === 2) {
      return choose(
        items,
        ({ title }) => title,
        itemName,
        (item) => ({
          text: `${prefix}${partOf(vault, vaults)}/${partOf(item, items)}/`,
          label: item.title,
          detail: item.category,
        }),
      );
    }
    const item = named(items, itemName);
    if (item === undefined) {
      return [];
    }
    const fields = await this.#remember(`${vault.id}/${item.id}`, () =>
      this.#listing.listFields(vault.id, item.id),
    );
    const nameOf = ({ label, section }: FieldEntry) =>
      section === undefined ? label : `${section.title}/${label}`;
    return choose(fields, nameOf, fieldParts.join("/"), (field) => {
      const { reference, names } = referenceTo({ vault, item, field }, { vaults, items, fields });
      return {
        text: reference,
        label: nameOf(field),
        detail: field.type,
        ...(names !== undefined && { names }),
      };
    });
  }

  #remember<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#known.get(key);
    if (known !== undefined && Date.now() - known.at < freshness) {
      return known.names as Promise<T>;
    }
    const names = ask();
    this.#known.set(key, { at: Date.now(), names });
    // A failure is not remembered: what was wrong may be mended.
    names.catch(() => this.#known.delete(key));
    return names;
  }
}

function choose<T>(
  all: readonly T[],
  nameOf: (one: T) => string,
  typed: string,
  toChoice: (one: T) => Choices[number],
): Choices {
  const wanted = typed.toLowerCase();
  const found = all.filter((one) => nameOf(one).toLowerCase().includes(wanted));
  return found
    .toSorted((a, b) => Number(startsWith(nameOf(b), wanted)) - Number(startsWith(nameOf(a), wanted)))
    .slice(0, maxChoices)
    .map(toChoice);
}

function startsWith(name: string, wanted: string): boolean {
  return name.toLowerCase().startsWith(wanted);
}

function named<T extends VaultEntry>(all: readonly T[], name: string): T | undefined {
  return (
    all.find(({ id }) => id === name) ?? all.find(({ title }) => title.toLowerCase() === name.toLowerCase())
  );
}

/** The name, or the id where a reference cannot carry the name or it is not the only one. */
function partOf(one: VaultEntry, all: readonly VaultEntry[]): string {
  const isOnly = all.filter(({ title }) => title.toLowerCase() === one.title.toLowerCase()).length === 1;
  return isOnly && canCarry(one.title) ? one.title : one.id;
}

function canCarry(name: string): boolean {
  try {
    return !name.includes("/") && parseSecretReference(`${prefix}${name}/item/field`).vault === name;
  } catch {
    return false;
  }
}
