import { createPublicKey, generateKeyPairSync, randomBytes } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { aesJwk, newId } from "./envelope.ts";
import { verifierOf } from "./srp.ts";

/** Kinds of field as the item stores them; `otp` is a concealed field whose id says that it is one. */
const fieldKinds = {
  text: "string",
  concealed: "concealed",
  otp: "concealed",
  url: "URL",
  email: "email",
  phone: "phone",
  date: "date",
  monthYear: "monthYear",
  menu: "menu",
} as const;

const categories = {
  Login: "001",
  SecureNote: "003",
  Password: "005",
  Database: "102",
  ApiCredentials: "112",
} as const;

export interface FieldSpec {
  readonly label: string;
  readonly value: string;
  readonly type?: keyof typeof fieldKinds;
  readonly section?: string;
  readonly id?: string;
}

export interface ItemSpec {
  readonly title: string;
  readonly id?: string;
  readonly category?: keyof typeof categories;
  readonly fields?: readonly FieldSpec[];
  readonly username?: string;
  readonly password?: string;
  readonly notes?: string;
  readonly archived?: boolean;
}

export interface VaultSpec {
  readonly title: string;
  readonly id?: string;
  readonly items?: readonly ItemSpec[];
}

/** Field and section in the spelling of the stored item. */
export interface StoredField {
  readonly n: string;
  readonly t: string;
  readonly k: string;
  v: string;
}

export interface StoredSection {
  readonly name: string;
  readonly title: string;
  readonly fields: StoredField[];
}

export interface BuiltInField {
  readonly name: string;
  readonly designation: string;
  readonly type: string;
  value: string;
}

export interface Item {
  readonly id: string;
  title: string;
  readonly template: string;
  state: "active" | "archived";
  version: number;
  readonly builtIn: BuiltInField[];
  readonly sections: StoredSection[];
  readonly notes: string;
}

export interface Vault {
  readonly id: string;
  title: string;
  readonly keyId: string;
  readonly key: Buffer;
  readonly items: Item[];
}

/** A made-up service account with its keys and its vaults. */
export class Account {
  readonly signInAddress: string;
  readonly userId = newId().toUpperCase();
  readonly deviceId = newId();
  readonly email = `${newId().slice(0, 13)}@1passwordserviceaccounts.com`;
  readonly secretKeyId = secretKeyCharacters(6);
  readonly salt = randomBytes(16);
  readonly masterKey = randomBytes(32);
  readonly keysetId = newId();
  readonly keysetKey = randomBytes(32);
  readonly privateKey: KeyObject = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  readonly publicKey: KeyObject = createPublicKey(this.privateKey);
  readonly vaults: Vault[] = [];
  readonly verifier: bigint;
  readonly #srpX = randomBytes(32).toString("hex");
  readonly #secretKey = ["A3", this.secretKeyId, secretKeyCharacters(6), ...fives(4)].join("-");

  constructor(signInAddress: string) {
    this.signInAddress = signInAddress;
    this.verifier = verifierOf(this.#srpX);
  }

  get userAuth(): Record<string, unknown> {
    return {
      method: "SRPg-4096",
      alg: "PBES2g-HS256",
      iterations: 650_000,
      salt: this.salt.toString("base64url"),
    };
  }

  get token(): string {
    return this.tokenWith({});
  }

  /** A token with some of its members replaced; `undefined` leaves a member out. */
  tokenWith(members: Readonly<Record<string, unknown>>): string {
    const content = {
      signInAddress: this.signInAddress,
      userAuth: this.userAuth,
      email: this.email,
      srpX: this.#srpX,
      muk: aesJwk(this.masterKey, "mp"),
      secretKey: this.#secretKey,
      throttleSecret: { seed: randomBytes(32).toString("hex"), uuid: newId().toUpperCase() },
      deviceUuid: this.deviceId,
      ...members,
    };
    return `ops_${Buffer.from(JSON.stringify(content)).toString("base64url")}`;
  }

  addVault(spec: VaultSpec): Vault {
    const vault: Vault = {
      id: spec.id ?? newId(),
      title: spec.title,
      keyId: newId(),
      key: randomBytes(32),
      items: (spec.items ?? []).map(storeItem),
    };
    this.vaults.push(vault);
    return vault;
  }

  addItem(vaultTitle: string, spec: ItemSpec): Item {
    const item = storeItem(spec);
    this.vault(vaultTitle).items.push(item);
    return item;
  }

  /** The first vault of this title. */
  vault(title: string): Vault {
    return found(
      this.vaults.find((vault) => vault.title === title),
      `vault ${title}`,
    );
  }

  /** The first item of this title that is not archived. */
  item(vaultTitle: string, itemTitle: string): Item {
    const { items } = this.vault(vaultTitle);
    return found(
      items.find((item) => item.title === itemTitle && item.state === "active"),
      `item ${itemTitle}`,
    );
  }

  rename(vaultTitle: string, itemTitle: string, title: string): void {
    const item = this.item(vaultTitle, itemTitle);
    item.title = title;
    item.version += 1;
  }

  /** Gives the field of this label (or `username`, `password`) another value. */
  rotate(vaultTitle: string, itemTitle: string, label: string, value: string): void {
    const item = this.item(vaultTitle, itemTitle);
    const inSection = item.sections.flatMap((section) => section.fields).find((field) => field.t === label);
    if (inSection === undefined) {
      found(
        item.builtIn.find((field) => field.name === label),
        `field ${label}`,
      ).value = value;
    } else {
      inSection.v = value;
    }
    item.version += 1;
  }

  archive(vaultTitle: string, itemTitle: string): void {
    this.item(vaultTitle, itemTitle).state = "archived";
  }
}

function storeItem(spec: ItemSpec): Item {
  const sections: StoredSection[] = [];
  for (const field of spec.fields ?? []) {
    const title = field.section ?? "";
    let section = sections.find((candidate) => candidate.title === title);
    if (section === undefined) {
      section = { name: title === "" ? "add more" : `Section_${newId()}`, title, fields: [] };
      sections.push(section);
    }
    const id = field.id ?? (field.type === "otp" ? `TOTP_${newId()}` : newId());
    section.fields.push({ n: id, t: field.label, k: fieldKinds[field.type ?? "concealed"], v: field.value });
  }
  return {
    id: spec.id ?? newId(),
    title: spec.title,
    template: categories[spec.category ?? "Login"],
    state: spec.archived === true ? "archived" : "active",
    version: 1,
    builtIn: [...builtIn("username", "T", spec.username), ...builtIn("password", "P", spec.password)],
    sections,
    notes: spec.notes ?? "",
  };
}

function builtIn(name: string, type: string, value: string | undefined): BuiltInField[] {
  return value === undefined ? [] : [{ name, designation: name, type, value }];
}

function fives(count: number): string[] {
  return Array.from({ length: count }, () => secretKeyCharacters(5));
}

/** Random characters of the Secret Key's alphabet, which leaves out those that look alike. */
function secretKeyCharacters(count: number): string {
  return Array.from(randomBytes(count), (byte) => "23456789ABCDEFGHJKLMNPQRSTVWXYZ".charAt(byte % 31)).join(
    "",
  );
}

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) {
    throw new Error(`The local 1Password service has no ${what}`);
  }
  return value;
}
