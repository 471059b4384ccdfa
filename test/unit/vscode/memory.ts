// VS Code's storage, kept in memory: the interfaces that the stores are written against.
import type { Disposable, Event, Memento, SecretStorage, SecretStorageChangeEvent } from "vscode";

export class MemorySecrets implements SecretStorage {
  readonly values = new Map<string, string>();
  failing = false;
  readonly #listeners = new Set<(event: SecretStorageChangeEvent) => void>();

  readonly onDidChange: Event<SecretStorageChangeEvent> = (listener) => {
    this.#listeners.add(listener);
    const subscription: Pick<Disposable, "dispose"> = { dispose: () => this.#listeners.delete(listener) };
    return subscription;
  };

  keys(): Promise<string[]> {
    return Promise.resolve([...this.values.keys()]);
  }

  get(key: string): Promise<string | undefined> {
    return Promise.resolve(this.values.get(key));
  }

  store(key: string, value: string): Promise<void> {
    if (this.failing) {
      return Promise.reject(new Error("no keyring"));
    }
    this.values.set(key, value);
    this.#listeners.forEach((listener) => listener({ key }));
    return Promise.resolve();
  }

  delete(key: string): Promise<void> {
    this.values.delete(key);
    this.#listeners.forEach((listener) => listener({ key }));
    return Promise.resolve();
  }
}

export class MemoryState implements Memento {
  readonly #values = new Map<string, unknown>();

  /** The same to another window. */
  copy(): MemoryState {
    const copy = new MemoryState();
    this.#values.forEach((value, key) => copy.#values.set(key, structuredClone(value)));
    return copy;
  }

  keys(): readonly string[] {
    return [...this.#values.keys()];
  }

  get<T>(key: string, defaultValue?: T): T | undefined {
    return (this.#values.get(key) as T | undefined) ?? defaultValue;
  }

  update(key: string, value: unknown): Promise<void> {
    this.#values.set(key, structuredClone(value));
    return Promise.resolve();
  }
}
