// Notices that files have changed, whoever changes them and however: in place, by renaming another file over them, by
// turning a link (as Kubernetes does for a whole ConfigMap), on another machine. Looking at the contents is what all of
// these have in common.
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";

/** @throws Error with Node's code. */
export type ReadText = (file: string) => Promise<string>;

export const readText: ReadText = (file) => readFile(file, "utf8");

/** Milliseconds from one look to the next. */
const interval = 500;

/** Files, as they were when they were read. A pipe is left out: what was read from it is gone. */
export class ReadFiles {
  readonly #found = new Map<string, string>();

  readonly read: ReadText = async (file) => {
    try {
      const text = await readText(file);
      if ((await kindOf(file)) === "file") {
        this.note(file, text);
      }
      return text;
    } catch (error) {
      this.#found.set(file, failure(error));
      throw error;
    }
  };

  /** A file that was read by somebody else. */
  note(file: string, text: string): void {
    this.#found.set(file, digest(text));
  }

  /** Equal for equal contents. */
  digestOf(file: string): string | undefined {
    return this.#found.get(file);
  }

  get state(): string {
    return describe([...this.#found]);
  }

  /** What {@link state} would be if the same files were read at this moment. */
  async stateNow(): Promise<string> {
    return describe(
      await Promise.all([...this.#found.keys()].map(async (file) => [file, await look(file)] as const)),
    );
  }
}

/**
 * Calls `onChange` when files differ from what was read, and goes on with the files that it has read instead. A file that
 * is still being written is left alone until two looks have found the same.
 * @returns a function that ends it
 */
export function watchFiles(files: ReadFiles, onChange: () => Promise<ReadFiles>): () => void {
  let current = files;
  let unsettled: string | undefined;
  let timer: NodeJS.Timeout;
  let ended = false;
  const check = async () => {
    const state = await current.stateNow();
    if (ended) {
      return;
    }
    if (state === current.state) {
      unsettled = undefined;
    } else if (state !== unsettled) {
      unsettled = state;
    } else {
      unsettled = undefined;
      current = await onChange();
    }
    schedule();
  };
  const schedule = () => {
    timer = setTimeout(() => void check(), interval).unref();
  };
  schedule();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}

async function look(file: string): Promise<string> {
  try {
    const kind = await kindOf(file);
    return kind === "file" ? digest(await readText(file)) : kind;
  } catch (error) {
    return failure(error);
  }
}

async function kindOf(file: string): Promise<"file" | "no file"> {
  return (await stat(file)).isFile() ? "file" : "no file";
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}

function failure(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "failed";
}

function describe(found: readonly (readonly [string, string])[]): string {
  return JSON.stringify([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}
