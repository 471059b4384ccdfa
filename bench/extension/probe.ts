// The benchmark's end of the probe.
import { once } from "node:events";
import { cp, mkdir } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { z } from "zod";
import { bundleFolder } from "../../test/support/vscode/paths.ts";
import { packageVsix } from "../../test/support/vscode/vsix.ts";
import {
  type ActivationFigures,
  activationFigures,
  type Blocking,
  type Command,
  type Figures,
  figures,
  nothing,
} from "./protocol.ts";

/** @returns the path of its .vsix */
export async function packageProbe(): Promise<string> {
  const source = join(import.meta.dirname, "probe");
  const folder = join(bundleFolder, "probe");
  await mkdir(folder, { recursive: true });
  await build({
    entryPoints: [join(source, "extension.ts")],
    outfile: join(folder, "extension.cjs"),
    bundle: true,
    platform: "node",
    format: "cjs",
    external: ["vscode"],
    logLevel: "warning",
  });
  await cp(join(source, "package.json"), join(folder, "package.json"));
  return packageVsix(folder, join(bundleFolder, "probe.vsix"));
}

const answer = z.union([z.strictObject({ result: z.unknown() }), z.strictObject({ fault: z.string() })]);

/** The probe of one extension host. */
export class Probe {
  readonly #socket: Socket;
  readonly #waiting: ((line: string) => void)[] = [];

  constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on("line", (line) => this.#waiting.shift()?.(line));
  }

  activate(period: number): Promise<ActivationFigures> {
    return this.#ask({ type: "activate", period }, activationFigures);
  }

  /** What the main thread does from now until `work` has ended. */
  async measure(work: () => Promise<unknown>, { blocks }: { blocks: boolean }): Promise<Figures> {
    await this.#ask({ type: "begin", blocks }, nothing);
    await work();
    return this.#ask({ type: "end" }, figures);
  }

  /** Blocks the main thread for so many milliseconds. */
  async block(how: Blocking, time: number): Promise<void> {
    await this.#ask({ type: "block", how, time }, nothing);
  }

  /** Writes a CPU profile of the main thread while `work` is done. */
  async profile<T>(file: string, work: () => Promise<T>): Promise<T> {
    await this.#ask({ type: "beginProfile" }, nothing);
    const result = await work();
    await this.#ask({ type: "endProfile", file }, nothing);
    return result;
  }

  async #ask<T>(command: Command, result: z.ZodType<T>): Promise<T> {
    const line = new Promise<string>((resolve) => this.#waiting.push(resolve));
    this.#socket.write(`${JSON.stringify(command)}\n`);
    const said = answer.parse(JSON.parse(await line));
    if ("fault" in said) {
      throw new Error(`the probe: ${said.fault}`);
    }
    return result.parse(said.result);
  }
}

/** Where the probes of one extension host after the other report. */
export class ProbeListener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined).once("close", () => this.#sockets.delete(socket));
    });
  }

  static async listen(path: string): Promise<ProbeListener> {
    const listener = new ProbeListener(createServer().listen(path));
    await once(listener.#server, "listening");
    return listener;
  }

  /** The probe of the next extension host; to be asked for before that starts. */
  async next(): Promise<Probe> {
    const [socket] = (await once(this.#server, "connection")) as [Socket];
    return new Probe(socket);
  }

  close(): void {
    this.#sockets.forEach((socket) => socket.destroy());
    this.#server.close();
  }
}
