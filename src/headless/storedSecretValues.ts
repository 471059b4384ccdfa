// Where the values of stored secrets come from when there is no editor: files, and variables of the program's environment.
import { SecretValue } from "../core/secretValue.ts";
import { type StoredSecret, type StoredSecretEntry } from "../core/storedSecret.ts";
import { eraseFromStartEnvironment } from "./startEnvironment.ts";
import { UsageError } from "./usageError.ts";
import { type ReadText, readText } from "./watchedFiles.ts";

export type ValueSource =
  { readonly kind: "file"; readonly file: string } | { readonly kind: "variable"; readonly name: string };

/** A stored secret of the configuration: where its value is, not the value. */
export interface ConfiguredSecret extends StoredSecretEntry {
  readonly source: ValueSource;
}

/** A header holds no more; what is far longer is another file. */
const maxLength = 64 * 1024;

/**
 * Reads values, as often as the configuration is read. A variable is taken out of the environment when it is read, so
 * that no child inherits it, and remembered.
 */
export class StoredSecretValues {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #read: ReadText;
  readonly #variables = new Map<string, SecretValue>();

  constructor(environment: NodeJS.ProcessEnv, read: ReadText = readText) {
    this.#environment = environment;
    this.#read = read;
  }

  /** @param file the configuration, for messages. @throws UsageError that names the entry and shows no value. */
  read(secrets: readonly ConfiguredSecret[], file: string, read = this.#read): Promise<StoredSecret[]> {
    return Promise.all(
      secrets.map(async ({ source, ...entry }, index) => {
        const where = `${file}: storedSecrets.${index}`;
        const value =
          source.kind === "file"
            ? await readValueFile(source.file, where, read)
            : this.#take(source.name, where);
        return { ...entry, value };
      }),
    );
  }

  #take(name: string, where: string): SecretValue {
    const text = this.#environment[name] ?? "";
    if (text !== "") {
      this.#variables.set(name, new SecretValue(text));
    }
    Reflect.deleteProperty(this.#environment, name);
    Reflect.deleteProperty(process.env, name);
    eraseFromStartEnvironment(name);
    const value = this.#variables.get(name);
    if (value === undefined) {
      throw new UsageError(`${where}.valueVariable: ${name} is not set in the environment`);
    }
    return value;
  }
}

async function readValueFile(file: string, where: string, read: ReadText): Promise<SecretValue> {
  let text: string;
  try {
    text = await read(file);
  } catch (error) {
    const { code = "unknown fault" } = error as NodeJS.ErrnoException;
    throw new UsageError(`${where}.valueFile: ${file} cannot be read (${code})`);
  }
  // Editors and `echo` end a file with a line break that is not the secret's.
  const value = text.replace(/\r?\n$/, "");
  if (value === "" || value.length > maxLength) {
    throw new UsageError(
      `${where}.valueFile: ${file} is ${value === "" ? "empty" : "too long for a secret"}`,
    );
  }
  return new SecretValue(value);
}
