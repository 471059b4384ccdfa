import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gatewayFile } from "../../test/support/gatewayThread.ts";
import { Program } from "../../test/support/program.ts";
import { reference, type World } from "../support/world.ts";
import { type Contender, type Started } from "./contender.ts";

/** The gateway as users have it: authentication, cache, injection and activity are on. */
export const ours: Contender = {
  name: "OneCLI",
  http2: true,
  start: (world) => startOurs(world, "onecli"),
};

/** @param hostnames mapped besides the servers */
export async function startOurs(
  world: World,
  name: string,
  hostnames: readonly string[] = [],
): Promise<Started & { pid: number }> {
  const folder = await world.newFolder(name);
  const config = join(folder, "onecli.json");
  const { http1, http2, streams } = world.origins;
  const mapped = [...[http1, http2, streams].map((origin) => new URL(origin).host), ...hostnames];
  await writeFile(
    config,
    JSON.stringify({
      mappings: mapped.map((hostname) => ({ hostname, reference })),
      extraCaCertificates: [world.files.authority],
      dataDir: join(folder, "state"),
    }),
  );
  const program = new Program(gatewayFile, ["serve", "--config", config], {
    env: { PATH: process.env["PATH"], HOME: folder, OP_SERVICE_ACCOUNT_TOKEN: world.service.token },
  });
  const { proxy } = await program.serving();
  return { proxy: new URL(proxy), pid: program.child.pid! };
}
