// Load from programs in C, which leave the machine to the proxy.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Program, isInstalled } from "../../test/support/program.ts";
import { type Running } from "../contenders/contender.ts";
import { host, type World } from "./world.ts";

/** What a figure needs, and how it is installed. */
export async function missingTools(): Promise<string[]> {
  const packages = { wrk: "wrk", proxychains4: "proxychains4", h2load: "nghttp2-client", curl: "curl" };
  const missing: string[] = [];
  for (const [command, name] of Object.entries(packages)) {
    if (!(await isInstalled(command))) {
      missing.push(name);
    }
  }
  return missing;
}

/** Runs a program that knows nothing of proxies, through one. */
export async function runThrough(contender: Running, world: World, args: readonly string[]): Promise<string> {
  const { proxy } = contender;
  if (proxy === undefined) {
    return run(args);
  }
  const config = join(world.folder, `proxychains-${contender.name.replaceAll(/\W/g, "")}.conf`);
  await writeFile(
    config,
    `strict_chain\nquiet_mode\n[ProxyList]\nhttp ${host} ${proxy.port} ${proxy.username} ${proxy.password}\n`,
  );
  return run(["proxychains4", "-q", "-f", config, ...args]);
}

/** @returns what it says at stdout. @throws Error where it fails. */
export async function run([command = "", ...args]: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await new Program(command, args, { env: process.env }).ended;
  if (status !== 0) {
    throw new Error(`${command} failed: ${stderr}${stdout}`);
  }
  return stdout;
}
