// Installs the agents and runtimes that are not there yet.
import { agents } from "./agents.ts";
import { install } from "./install.ts";
import { runtimes } from "./runtimes.ts";

for (const program of [...agents, ...runtimes]) {
  console.log(await install(program));
}
