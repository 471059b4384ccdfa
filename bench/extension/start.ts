// Windows that open and connect: what that costs the main thread.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Editor } from "./editor.ts";
import { type Finding } from "./findings.ts";
import { type Plan } from "./plan.ts";
import { type ActivationFigures, type Figures } from "./protocol.ts";

const states = { fresh: "nothing stored", stored: "account and mapping stored" } as const;

interface Activation extends ActivationFigures {
  /** Of `activate()`, from the pause after loading until it returns. */
  readonly call: number;
}

/** VS Code calls `activate()` where nobody else can take the time: the extension logs it. */
async function activate(editor: Editor, state: string, { startPeriod }: Plan): Promise<Activation> {
  const figures = await editor.profile(`activation, ${state}`, () => editor.probe.activate(startPeriod));
  const log = await readFile(join(figures.logs, "OneCLI.log"), "utf8");
  const [, call] = /Activated in ([\d.]+) ms\./.exec(log) ?? [];
  if (call === undefined) {
    throw new Error("the extension's log does not say how long activate() took");
  }
  return { ...figures, call: Number(call) };
}

interface Connection {
  readonly idle: Figures;
  readonly connecting: Figures;
}

/** The first connection of a window: its thread starts, loads the SDK and signs in. */
async function connect(editor: Editor, { startPeriod }: Plan): Promise<Connection> {
  const { probe } = editor;
  const send = await editor.typeToken();
  const rest = () => delay(startPeriod);
  const idle = await probe.measure(rest, { blocks: true });
  const connecting = await editor.profile("connecting", () =>
    probe.measure(() => Promise.all([send(), rest()]), { blocks: true }),
  );
  return { idle, connecting };
}

/** Leaves an editor with an account and a mapping. */
export async function measureStarts(editor: Editor, plan: Plan): Promise<Finding[]> {
  const fresh: Activation[] = [];
  const connections: Connection[] = [];
  for (let round = 1; round <= plan.starts; round++) {
    fresh.push(await activate(editor, states.fresh, plan));
    connections.push(await connect(editor, plan));
    if (round < plan.starts) {
      await editor.disconnect();
      await editor.reload();
    }
  }
  await editor.addMapping();
  const stored: Activation[] = [];
  for (let round = 1; round <= plan.starts; round++) {
    await editor.reload();
    stored.push(await activate(editor, states.stored, plan));
  }
  return [
    ...activationFindings(states.fresh, fresh),
    ...activationFindings(states.stored, stored),
    {
      what: "Connecting 1Password: longest block, CPU time",
      unit: "ms",
      values: connections.map(({ connecting }) => connecting.longestWork),
      baselines: connections.map(({ idle }) => idle.longestWork),
      judged: "difference",
      target: 20,
    },
    {
      what: "Connecting 1Password: longest block by the clock",
      unit: "ms",
      values: connections.map(({ connecting }) => connecting.longestBlock),
      baselines: connections.map(({ idle }) => idle.longestBlock),
    },
    {
      what: "Connecting 1Password: CPU time of the main thread",
      unit: "ms",
      values: connections.map(({ connecting }) => connecting.cpu),
      baselines: connections.map(({ idle }) => idle.cpu),
    },
  ];
}

function activationFindings(state: string, activations: readonly Activation[]): Finding[] {
  const of = (what: string) => `Activation, ${state}: ${what}`;
  return [
    {
      what: of("main thread without a pause"),
      unit: "ms",
      values: activations.map(({ loadCpu, call }) => Math.max(loadCpu, call)),
      target: 30,
    },
    {
      // What other programs on the machine take is not the extension's.
      what: of("CPU time of loading extension.js, then a pause"),
      unit: "ms",
      values: activations.map(({ loadCpu }) => loadCpu),
    },
    {
      what: of("`activate()` after that"),
      unit: "ms",
      values: activations.map(({ call }) => call),
    },
    {
      what: of("both by the clock"),
      unit: "ms",
      values: activations.map(({ load, call }) => load + call),
    },
    { what: of("until the editor has it"), unit: "ms", values: activations.map(({ whole }) => whole) },
    {
      what: of("longest block by the clock"),
      unit: "ms",
      values: activations.map(({ active }) => active.longestBlock),
      baselines: activations.map(({ idle }) => idle.longestBlock),
    },
    {
      what: of("CPU time of the main thread"),
      unit: "ms",
      values: activations.map(({ active }) => active.cpu),
      baselines: activations.map(({ idle }) => idle.cpu),
    },
  ];
}
