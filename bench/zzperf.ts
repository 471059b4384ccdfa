import { startWorld } from "./support/world.ts";
import { startOurs } from "./contenders/ours.ts";
import { lowerBound } from "./contenders/peers.ts";
import { keepAlive } from "./scenarios/keepAlive.ts";
import { download, upload } from "./scenarios/transfer.ts";
import { spawn } from "node:child_process";
const world = await startWorld();
const [, , who, what = "32", perf] = process.argv;
try {
  if (perf) process.env["NODE_OPTIONS"] = "";
  const sc =
    what === "down"
      ? download(1e9)
      : what === "down2"
        ? download(1e9, "http2")
        : what === "up"
          ? upload(1e9)
          : keepAlive(Number(what));
  for (const w of who!.split(",")) {
    const s = w === "lb" ? await lowerBound.start(world) : await startOurs(world, "onecli");
    const running = { name: w, start: null as never, ...s };
    await sc.measure(running, world, 1).catch(() => 0);
    const p = perf
      ? spawn(
          "perf",
          ["record", "-F", "2999", "-e", "cpu-clock", "-g", "-p", String(s.pid), "-o", "/tmp/perf.data"],
          { stdio: "ignore" },
        )
      : undefined;
    for (let i = 0; i < 2; i++) console.log(w, what, JSON.stringify(await sc.measure(running, world, 3)));
    if (p) {
      p.kill("SIGINT");
      await new Promise((r) => p.on("exit", r));
    }
  }
} finally {
  await world.stop();
}
