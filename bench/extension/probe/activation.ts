import { tracingChannel } from "node:diagnostics_channel";
import { dirname, join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import * as vscode from "vscode";
import { type ActivationFigures, extensionId } from "../protocol.ts";
import { Meter, threadCpu } from "./meter.ts";

/** A host counts as idle when it was busy for less than this part of a window (milliseconds). */
const idleShare = 0.05;
const idleWindow = 250;
/** VS Code waits ten seconds for extensions that start with it, then goes on to activate the others. */
const patience = 6_000;
/** Milliseconds until a meter looks. */
const settling = 20;

async function untilIdle(): Promise<void> {
  const end = performance.now() + patience;
  for (let busy = Infinity; busy > idleShare * idleWindow && performance.now() < end;) {
    const meter = new Meter(false);
    await delay(idleWindow);
    ({ busy } = meter.read());
  }
}

/** Node tells of every `require`, where it starts and where it ends. */
function watchLoading(folder: string): { readonly time: number; readonly cpu: number; stop(): void } {
  const channel = tracingChannel<{ id: string }>("module.require");
  let from = 0;
  let time = 0;
  let used = 0;
  let cpu = 0;
  const isOurs = (message: unknown) => (message as { id: string }).id.startsWith(folder);
  const start = (message: unknown) => {
    if (isOurs(message)) {
      from = performance.now();
      used = threadCpu();
    }
  };
  const end = (message: unknown) => {
    if (isOurs(message)) {
      time = performance.now() - from;
      cpu = threadCpu() - used;
    }
  };
  channel.start.subscribe(start);
  channel.end.subscribe(end);
  return {
    get time() {
      return time;
    },
    get cpu() {
      return cpu;
    },
    stop() {
      channel.start.unsubscribe(start);
      channel.end.unsubscribe(end);
    },
  };
}

/** @throws Error where the extension was active before, or was not loaded by `require`. */
export async function measureActivation(
  { logUri }: vscode.ExtensionContext,
  period: number,
): Promise<ActivationFigures> {
  const extension = vscode.extensions.getExtension(extensionId);
  if (extension === undefined || extension.isActive) {
    throw new Error("the extension is missing, or was active before");
  }
  await untilIdle();
  const idle = new Meter(true);
  await delay(settling + period);
  const idleFigures = idle.read();
  const loading = watchLoading(extension.extensionPath);
  const active = new Meter(true);
  await delay(settling);
  const from = performance.now();
  const rest = delay(period);
  await extension.activate();
  const whole = performance.now() - from;
  await rest;
  const activeFigures = active.read();
  loading.stop();
  if (loading.time === 0) {
    throw new Error("the loading of the extension was not seen");
  }
  return {
    idle: idleFigures,
    active: activeFigures,
    load: loading.time,
    loadCpu: loading.cpu,
    whole,
    logs: join(dirname(logUri.fsPath), extensionId),
  };
}
