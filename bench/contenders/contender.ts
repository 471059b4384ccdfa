import { fileURLToPath } from "node:url";
import { type Program } from "../../test/support/program.ts";
import { host, type World } from "../support/world.ts";

/** A proxy that sets a header in the requests inside TLS; those that only pass bytes on are for comparison. */
export interface Contender {
  readonly name: string;
  /** Whether it takes HTTP/2 from its clients. */
  readonly http2?: boolean;
  /** It does not look into TLS: only what no secret belongs to goes through it. */
  readonly tunnelsOnly?: boolean;
  /** How it is installed, where it is not. */
  readonly missing?: () => Promise<string | undefined>;
  readonly start: (world: World) => Promise<Started>;
}

export interface Started {
  /** Where clients find it, with their login; undefined: they go to the server themselves. */
  readonly proxy: URL | undefined;
  /** Of the process whose cost is counted, with all below it; undefined where there is none. */
  readonly pid: number | undefined;
}

export type Running = Contender & Started;

/** The address of a script beside this file. */
export function scriptFile(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** Of a program that says `{"port": …}` when it listens. */
export async function startedAt(program: Program): Promise<Started> {
  const [line] = await program.said("stdout", /\{.*"port":\s*\d+.*\}/);
  const { port } = JSON.parse(line) as { port: number };
  return { proxy: new URL(`http://${host}:${port}`), pid: program.child.pid! };
}
