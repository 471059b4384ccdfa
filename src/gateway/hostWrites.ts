import { type ErrorCode, OneCliError } from "../core/errors.ts";
import { connectResult, type ManagementWrite, putResult } from "../shared/gatewayProtocol.ts";
import { type ManagementWrites } from "../shared/management.ts";

interface Question {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: OneCliError) => void;
}

/** Changes that the API asks for are the editor's to make: it owns the state, and the person there is asked. */
export class HostWrites implements ManagementWrites {
  readonly #ask: (question: number, write: ManagementWrite) => void;
  readonly #open = new Map<number, Question>();
  #lastQuestion = 0;

  /** @param ask sends the question; its answer comes by {@link answer} or {@link refuse}. */
  constructor(ask: (question: number, write: ManagementWrite) => void) {
    this.#ask = ask;
  }

  putMapping: ManagementWrites["putMapping"] = async (mapping) =>
    putResult.parse(await this.#request({ kind: "putMapping", mapping }));

  deleteMapping: ManagementWrites["deleteMapping"] = async (id) => {
    await this.#request({ kind: "deleteMapping", id });
  };

  connect: ManagementWrites["connect"] = async (token) =>
    connectResult.parse(await this.#request({ kind: "connect", token }));

  disconnect: ManagementWrites["disconnect"] = async () => {
    await this.#request({ kind: "disconnect" });
  };

  answer(question: number, result: unknown): void {
    this.#take(question)?.resolve(result);
  }

  refuse(question: number, code: ErrorCode, message: string): void {
    this.#take(question)?.reject(new OneCliError(code, message));
  }

  /** The gateway stops: nobody waits any longer. */
  refuseAll(): void {
    for (const question of [...this.#open.keys()]) {
      this.refuse(question, "gateway-stopping", "The gateway is stopping.");
    }
  }

  #request(write: ManagementWrite): Promise<unknown> {
    const question = ++this.#lastQuestion;
    return new Promise((resolve, reject) => {
      this.#open.set(question, { resolve, reject });
      this.#ask(question, write);
    });
  }

  #take(question: number): Question | undefined {
    const found = this.#open.get(question);
    this.#open.delete(question);
    return found;
  }
}
