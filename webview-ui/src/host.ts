// The extension host, as the page sees it.
import { protocolVersion } from "../../src/shared/webviewConstants.ts";
import {
  type Answer,
  type Body,
  type Failure,
  type PageCommand,
  type QuestionName,
  questions,
  type ToHost,
  toPage,
  type ToPage,
} from "../../src/shared/webviewProtocol.ts";

interface VsCodeApi {
  postMessage(message: ToHost): void;
  getState(): unknown;
  setState(state: unknown): void;
}

declare function acquireVsCodeApi(): VsCodeApi;

/** The host has not done what it was asked for. */
export class Refusal extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (reason: Refusal) => void;
}

type News = Extract<ToPage, { type: "snapshot" | "patch" }>;

export class Host {
  readonly #api = acquireVsCodeApi();
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;

  /** Says that the page is there; what the host has to say from then on goes to `onNews`. */
  connect(onNews: (news: News) => void): void {
    window.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      const message = toPage.safeParse(data);
      if (!message.success) {
        // eslint-disable-next-line no-console -- the page has no other log; VS Code shows it with its developer tools.
        console.warn("A message that is not of the protocol was dropped.");
        return;
      }
      switch (message.data.type) {
        case "snapshot":
        case "patch":
          onNews(message.data);
          break;
        case "answer":
          this.#take(message.data.id)?.resolve(message.data.result);
          break;
        case "refusal":
          this.#take(message.data.id)?.reject(new Refusal(message.data.failure));
          break;
      }
    });
    this.#api.postMessage({ type: "ready", version: protocolVersion });
  }

  /** @throws Refusal */
  async ask<N extends QuestionName>(name: N, body: Body<N>): Promise<Answer<N>> {
    const id = ++this.#lastId;
    const result = await new Promise<unknown>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#api.postMessage({ type: "ask", id, name, body });
    });
    return questions[name].answer.parse(result) as Answer<N>;
  }

  run(command: PageCommand): void {
    this.#api.postMessage({ type: "run", command });
  }

  /** What the page was left with, over a reload. */
  get kept(): unknown {
    return this.#api.getState();
  }

  keep(state: unknown): void {
    this.#api.setState(state);
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }
}

export function failureOf(error: unknown): Failure {
  return error instanceof Refusal ? error.failure : { message: String(error) };
}
