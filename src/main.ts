// dist/gateway.js: the gateway thread where it is loaded as a worker, the program onecli-gateway otherwise.
import { isMainThread, parentPort } from "node:worker_threads";
import { serveHost } from "./gateway/worker.ts";
import { program } from "./headless/program.ts";
import { type StartManagementApi } from "./shared/management.ts";

const environment = { ...process.env };
// The SDK's fetch would go by it: nothing turns certificate checks off in this process.
delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];

// Node opens its debugger on this signal, to every process of the user: an agent could read the token with it. A thread
// gets no signals; the editor's process, which it is part of, uses this one for debugging extensions.
if (isMainThread) {
  process.on("SIGUSR1", () => undefined);
}

if (isMainThread || parentPort === null) {
  void program(process.argv.slice(2), environment).then((status) => {
    process.exitCode = status;
    exitSoon();
  });
} else {
  // Loaded late: most windows do without it.
  const startApi: StartManagementApi = async (options) =>
    (await import("./api/server.ts")).startManagementApi(options);
  serveHost(parentPort, startApi, exitSoon);
}

/** Ends the program or the thread: a connection of the SDK's may linger, and there is nothing left to wait for. */
function exitSoon(): void {
  setTimeout(() => process.exit(), 500).unref();
}
