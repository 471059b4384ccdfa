import assert from "node:assert/strict";
import { type HeadlessWorld, secrets, startHeadlessWorld } from "../support/headlessWorld.ts";
import { ApiClient } from "../support/managementApi.ts";
import { killPrograms, type Program, type ServingLine, startProgram } from "../support/program.ts";

export const mappingsPath = "/api/vault/onepassword/mappings";

export interface Served {
  readonly program: Program;
  readonly line: ServingLine;
  readonly api: ApiClient;
  readonly configFile: string;
}

/** `onecli-gateway serve` with its API, for each test anew, and the proof that no answer held a secret. */
export class ApiSuite {
  world!: HeadlessWorld;
  readonly #clients: ApiClient[] = [];

  /** To be called within `describe`. */
  static use(): ApiSuite {
    const suite = new ApiSuite();
    before(async () => {
      suite.world = await startHeadlessWorld();
    });
    after(() => suite.world.stop());
    afterEach(() => suite.#end());
    return suite;
  }

  /** @param changes to the configuration. */
  async serve(changes: Readonly<Record<string, unknown>> = {}, env = this.world.tokenEnv()): Promise<Served> {
    const configFile = await this.world.config({ api: { writes: true }, ...changes });
    return this.serveFile(configFile, env);
  }

  async serveFile(configFile: string, env = this.world.tokenEnv()): Promise<Served> {
    const program = startProgram(["serve", "--config", configFile], { env });
    const line = await program.serving();
    const api = await ApiClient.ofServing(line);
    this.#clients.push(api);
    return { program, line, api, configFile };
  }

  async #end(): Promise<void> {
    await killPrograms();
    this.world.upstream.reset();
    this.world.service.clearFaults();
    for (const { heard, token } of this.#clients.splice(0)) {
      for (const secret of [...Object.values(secrets), this.world.service.token, token]) {
        assert.ok(!heard.join("\n").includes(secret), "an answer held a secret");
      }
    }
  }
}
