// A thread that speaks the gateway's protocol and breaks as its data says.
import { parentPort, threadId } from "node:worker_threads";

const start = {
  endpoint: { port: 4711, username: "onecli", password: `thread ${threadId}` },
  files: { ca: "ca", bundle: "bundle", additions: "additions" },
  authority: { certificate: "c", privateKey: "k" },
};

parentPort.on("message", ({ type, id, reference }) => {
  if (type === "start") {
    parentPort.postMessage({ type: "done", id, result: start });
  } else if (type === "test" && reference === "crash") {
    throw new Error("op://secret in an error text");
  } else if (type === "test" && reference === "hang") {
    for (;;);
  } else if (type === "test" && reference === "nonsense") {
    parentPort.postMessage({ type: "unheard of" });
    parentPort.postMessage({ type: "done", id, result: undefined });
  } else if (type === "test") {
    parentPort.postMessage({ type: "failed", id, code: "reference-not-found", message: "No item matches." });
  } else if (type === "stop") {
    parentPort.postMessage({ type: "done", id, result: undefined });
    parentPort.close();
  } else {
    parentPort.postMessage({ type: "done", id, result: undefined });
  }
});
