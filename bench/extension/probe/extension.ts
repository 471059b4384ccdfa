// The probe: an extension beside the measured one, in the same extension host, which does what the benchmark says.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { runInThisContext } from "node:vm";
import type * as vscode from "vscode";
import { type Blocking, type Command, command, socketVariable } from "../protocol.ts";
import { measureActivation } from "./activation.ts";
import { Meter } from "./meter.ts";
import { Profile } from "./profile.ts";

/** VS Code starts it before all others; they wait until the command to activate the measured one is done. */
export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const socket = connect(process.env[socketVariable]!);
  await once(socket, "connect");
  context.subscriptions.push({ dispose: () => socket.destroy() });
  const activated = Promise.withResolvers<undefined>();
  const perform = commands(context);
  void (async () => {
    for await (const line of createInterface({ input: socket })) {
      const asked = command.parse(JSON.parse(line));
      const answer = await perform(asked).then(
        (result) => ({ result }),
        (error: unknown) => ({ fault: String(error) }),
      );
      socket.write(`${JSON.stringify(answer)}\n`);
      if (asked.type === "activate") {
        activated.resolve(undefined);
      }
    }
  })();
  await activated.promise;
}

function commands(context: vscode.ExtensionContext): (command: Command) => Promise<unknown> {
  let meter: Meter | undefined;
  let profile: Profile | undefined;
  return async (command) => {
    switch (command.type) {
      case "activate":
        return measureActivation(context, command.period);
      case "begin":
        meter = new Meter(command.blocks);
        return null;
      case "end":
        return meter!.read();
      case "block":
        await block(command.how, command.time);
        return null;
      case "beginProfile":
        profile = new Profile();
        await profile.begin();
        return null;
      case "endProfile":
        await profile!.end(command.file);
        return null;
    }
  };
}

async function block(how: Blocking, time: number): Promise<void> {
  const compute = `for (const end = performance.now() + ${time}; performance.now() < end;);`;
  switch (how) {
    case "compute":
      runInThisContext(compute);
      break;
    case "wait":
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, time);
      break;
    case "child":
      await once(spawn(process.execPath, ["--eval", compute]), "exit");
      break;
  }
}
