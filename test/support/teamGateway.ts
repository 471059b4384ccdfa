// The gateway of a team: the built `onecli-gateway serve`, whose proxy and API take TLS, and which knows one agent.
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type World } from "../demo/world.ts";
import { TestAuthority } from "./certificates.ts";
import { type Program, runProgram, type ServingLine, startProgram } from "./program.ts";

export const agent = "laptop-7";

export interface Served {
  readonly program: Program;
  readonly line: ServingLine;
  /** Of the API, by the name that its certificate is for. */
  readonly url: string;
  readonly token: string;
}

interface Changes {
  readonly api?: object;
  readonly mappings?: object;
  readonly authority?: object;
}

export class TeamWorld {
  readonly folder: string;
  /** Has signed the certificate of proxy and API. */
  readonly listener: TestAuthority;
  /** Of the agent. */
  readonly password: string;
  readonly #world: World;
  readonly #entry: object;
  #count = 0;

  private constructor(
    world: World,
    folder: string,
    listener: TestAuthority,
    made: { readonly password: string; readonly entry: object },
  ) {
    this.#world = world;
    this.folder = folder;
    this.listener = listener;
    this.password = made.password;
    this.#entry = made.entry;
  }

  static async create(world: World): Promise<TeamWorld> {
    const folder = await mkdtemp(join(tmpdir(), "onecli-team-"));
    const listener = await TestAuthority.create("Team listener CA");
    const { key, cert } = await listener.issue({ names: ["localhost"] });
    await writeFile(join(folder, "upstream-ca.pem"), world.authority);
    await writeFile(join(folder, "listener-ca.pem"), listener.certificate);
    await writeFile(join(folder, "tls.key"), key);
    await writeFile(join(folder, "tls.crt"), cert);
    const { stdout } = await runProgram(["agent", agent], { env: environment(folder) });
    const made = JSON.parse(stdout) as { password: string; entry: object };
    return new TeamWorld(world, folder, listener, made);
  }

  /** For `onecli.extraCaCertificates` of a window. */
  get extraCaCertificates(): string[] {
    return [join(this.folder, "upstream-ca.pem"), join(this.folder, "listener-ca.pem")];
  }

  env(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    return environment(this.folder, more);
  }

  /** Starts the gateway in a folder of its own; or in the place of `again`, which is stopped, on its ports. */
  async serve(changes: Changes = {}, again?: Served): Promise<Served> {
    if (again === undefined) {
      this.#count++;
      await mkdir(join(this.folder, String(this.#count)));
    } else {
      again.program.kill("SIGTERM");
      await again.program.ended;
    }
    const portOf = (url: string | undefined) => (url === undefined ? 0 : Number(new URL(url).port));
    const config = {
      mappings: [],
      parentProxy: this.#world.parent.url,
      extraCaCertificates: ["../upstream-ca.pem"],
      dataDir: "state",
      agents: [this.#entry],
      listen: {
        host: "0.0.0.0",
        port: portOf(again?.line.proxy),
        tls: { certificate: "../tls.crt", key: "../tls.key" },
      },
      ...changes,
      api: { host: "0.0.0.0", port: portOf(again?.url), writes: true, ...changes.api },
    };
    await writeFile(this.#configFile, JSON.stringify(config));
    const program = startProgram(["serve", "--config", this.#configFile], {
      env: this.env({ OP_SERVICE_ACCOUNT_TOKEN: this.#world.service.token }),
    });
    const line = await program.serving();
    const token = (await readFile(line.api!.tokenFile, "utf8")).trim();
    return { program, line, token, url: `https://localhost:${portOf(line.api!.url)}` };
  }

  /** A CA for the configuration's `authority`. */
  async newAuthority(): Promise<object> {
    const made = await runProgram(["authority", "--out", join(this.folder, `ca-${this.#count}`)], {
      env: this.env(),
    });
    return (JSON.parse(made.stdout) as { authority: object }).authority;
  }

  /** What the configuration file says after the API's changes. */
  async mappings(): Promise<unknown> {
    return (await this.#config()).mappings;
  }

  /** Changes the configuration file, as the operator does. */
  async writeMappings(mappings: readonly object[]): Promise<void> {
    await writeFile(this.#configFile, JSON.stringify({ ...(await this.#config()), mappings }));
  }

  async #config(): Promise<{ mappings: unknown }> {
    return JSON.parse(await readFile(this.#configFile, "utf8")) as { mappings: unknown };
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true });
  }

  get #configFile(): string {
    return join(this.folder, String(this.#count), "onecli.json");
  }
}

function environment(home: string, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], HOME: home, ...more };
}
