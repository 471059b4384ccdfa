// proxy-chain as it comes: blind tunnels.
import { Server } from "proxy-chain";

const server = new Server({ port: 0, host: "127.0.0.1", prepareRequestFunction: () => ({}) });
await server.listen();
console.log(JSON.stringify({ port: server.port }));
